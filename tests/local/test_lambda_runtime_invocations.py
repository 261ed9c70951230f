"""One function in its own process: events, answers, and everything that can go wrong between them."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fullon.runtime.gateway.invocation import (
    PAYLOAD_LIMIT,
    FunctionCrashed,
    FunctionError,
    FunctionInitFailed,
    FunctionNotFound,
    FunctionThrottled,
    FunctionTimedOut,
    RequestTooLarge,
    ResponseTooLarge,
)
from local.lambda_runtime.fleet import Limits
from tests.local.platform import a_function, is_alive, running_pool, until

BROKEN = "tests.local.functions_under_test.broken.handler"
EXITS = "tests.local.functions_under_test.exits.handler"


@pytest.fixture(params=[True, False], ids=["native client", "python client"])
def native(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_a_handler_gets_the_event_and_a_lambda_context(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("echo", timeout=20), native_client=native) as pool:
        event = {"text": "grüße", "number": 1.5, "nested": {"list": [1, None, True]}}

        answer = await pool.invoke("echo", event, request_id="request-1")

        assert answer["event"] == event
        context = answer["context"]
        assert context["aws_request_id"] == "request-1"
        assert context["function_name"] == "echo"
        assert context["memory_limit_in_mb"] == "512"
        assert context["invoked_function_arn"] == "arn:aws:lambda:us-east-1:000000000000:function:echo"
        assert 0 < context["remaining_ms"] <= 20_000


async def test_the_trace_of_a_request_reaches_the_handler(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("echo"), native_client=native) as pool:
        trace = "Root=1-611cc4a7-0746ebee281cfd967db97b64;Parent=0746ebee281cfd96;Sampled=0"

        answer = await pool.invoke_bytes("echo", b"{}", request_id="r", trace_id=trace)

        assert trace.encode() in answer


async def test_a_process_serves_one_event_after_the_other(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("echo"), native_client=native) as pool:
        answers = [await pool.invoke("echo", {"n": n}) for n in range(20)]

        assert [answer["event"]["n"] for answer in answers] == list(range(20))
        assert [answer["calls"] for answer in answers] == list(range(1, 21))
        assert len({answer["pid"] for answer in answers}) == 1


async def test_a_process_has_the_variables_that_lambda_defines(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://example", "PYTHONDONTWRITEBYTECODE": "1"}
    async with running_pool(tmp_path, a_function("variables"), environment=given) as pool:
        seen = await pool.invoke("variables", {})

        assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "variables"
        assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
        assert seen["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/variables"
        assert seen["_HANDLER"].endswith(".variables")
        assert seen["TZ"] == ":UTC"
        assert seen["DATABASE_URL"] == "postgresql://example"
        assert "PYTHONDONTWRITEBYTECODE" not in seen


async def test_an_exception_is_reported_and_the_process_lives_on(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("fail"), native_client=native) as pool:
        with pytest.raises(FunctionError) as caught:
            await pool.invoke("fail", {})
        before = pool.processes()

        assert caught.value.error_type == "ValueError"
        assert caught.value.message == "the secret of the house"
        assert "secret" not in caught.value.detail
        with pytest.raises(FunctionError):
            await pool.invoke("fail", {})
        assert pool.processes() == before


async def test_an_answer_that_is_not_json_is_an_error_of_the_function(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("unserialisable"), native_client=native) as pool:
        with pytest.raises(FunctionError):
            await pool.invoke("unserialisable", {})


async def test_a_process_that_ends_in_the_middle_is_a_crash_and_is_replaced(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("crash"), native_client=native) as pool:
        with pytest.raises(FunctionCrashed) as caught:
            await pool.invoke("crash", {})

        assert caught.value.error_type == "Runtime.ExitError"
        assert "exit status 7" in caught.value.message
        with pytest.raises(FunctionCrashed):
            await pool.invoke("crash", {})


async def test_what_a_crashed_process_had_started_ends_with_it(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("abandon")) as pool:
        with pytest.raises(FunctionCrashed):
            await pool.invoke("abandon", {})

        await until(lambda: b"child " in (tmp_path / "abandon.log").read_bytes())
        child = int((tmp_path / "abandon.log").read_text().partition('"child ')[2].partition('"')[0])
        await until(lambda: not is_alive(child))


async def test_a_process_killed_from_outside_is_a_crash(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("sleep")) as pool:
        under_way = asyncio.create_task(pool.invoke("sleep", {"seconds": 60}))
        await until(lambda: b'"start"' in (tmp_path / "sleep.log").read_bytes())

        os.kill(pool.processes()["sleep"][0], signal.SIGKILL)

        with pytest.raises(FunctionCrashed, match="SIGKILL"):
            await under_way


async def test_an_import_error_is_an_init_error_with_its_reason(tmp_path: Path, native: bool) -> None:
    function = a_function("broken", BROKEN)
    async with running_pool(tmp_path, function, native_client=native) as pool:
        with pytest.raises(FunctionInitFailed) as caught:
            await pool.invoke("broken", {})

        assert "there_is_no_such_module" in caught.value.message
        await until(lambda: not pool.processes())


async def test_all_waiting_events_hear_of_a_failed_start_at_once(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("broken", BROKEN)) as pool:
        outcomes = await asyncio.gather(*(pool.invoke("broken", {}) for _ in range(50)), return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {FunctionInitFailed}
    assert (tmp_path / "broken.log").read_bytes().count(b'"init"') <= Limits().maximum_concurrency


async def test_a_process_that_ends_while_starting_is_an_init_error(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("exits", EXITS)) as pool:
        with pytest.raises(FunctionInitFailed, match="SIGKILL"):
            await pool.invoke("exits", {})


async def test_a_handler_that_takes_too_long_to_load_is_killed(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(600)\n")
    function = a_function("endless", "endless.handler")
    async with running_pool(tmp_path / "logs", function, task_root=tmp_path, init_timeout=0.5) as pool:
        with pytest.raises(FunctionInitFailed, match=r"within 0\.5 seconds"):
            await pool.invoke("endless", {})


async def test_a_function_is_killed_at_its_timeout(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("sleep", timeout=1)) as pool:
        warm = await pool.invoke("sleep", {"seconds": 0})

        with pytest.raises(FunctionTimedOut, match=r"timed out after 1\.00 seconds"):
            await pool.invoke("sleep", {"seconds": 60})

        await until(lambda: not is_alive(warm["pid"]))
        again = await pool.invoke("sleep", {"seconds": 0})
        assert again["pid"] != warm["pid"]


async def test_an_event_over_six_megabytes_is_refused_without_a_call(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("echo")) as pool:
        with pytest.raises(RequestTooLarge):
            await pool.invoke("echo", {"text": "x" * PAYLOAD_LIMIT})

        assert pool.processes() == {}


@pytest.mark.parametrize("size", [1_000, 1_500_000, PAYLOAD_LIMIT - 2])
async def test_answers_up_to_six_megabytes_pass(tmp_path: Path, native: bool, size: int) -> None:
    async with running_pool(tmp_path, a_function("large"), native_client=native) as pool:
        answer = await pool.invoke("large", {"size": size})

        assert len(answer) == size


async def test_an_answer_over_six_megabytes_is_an_error_and_the_next_call_works(tmp_path: Path, native: bool) -> None:
    async with running_pool(tmp_path, a_function("large"), native_client=native) as pool:
        with pytest.raises(ResponseTooLarge):
            await pool.invoke("large", {"size": PAYLOAD_LIMIT + 1})

        assert await pool.invoke("large", {"size": 3}) == "xxx"


async def test_an_unknown_function_is_said_so(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        with pytest.raises(FunctionNotFound):
            await pool.invoke("nobody", {})


async def test_parallel_events_get_processes_of_their_own_up_to_the_limit(tmp_path: Path) -> None:
    function = a_function("sleep", concurrency=3)
    async with running_pool(tmp_path, function, queue_wait=60) as pool:
        answers: list[Any] = await asyncio.gather(*(pool.invoke("sleep", {"seconds": 0.5}) for _ in range(9)))

        assert len({answer["pid"] for answer in answers}) == 3


async def test_short_events_share_one_process_rather_than_start_more(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("echo"), scale_out_after=30) as pool:
        answers = await asyncio.gather(*(pool.invoke("echo", {}) for _ in range(40)))

        assert len({answer["pid"] for answer in answers}) == 1


async def test_who_waits_too_long_for_a_busy_function_is_throttled(tmp_path: Path) -> None:
    function = a_function("sleep", concurrency=1)
    async with running_pool(tmp_path, function, queue_wait=0.2) as pool:
        await pool.invoke("sleep", {"seconds": 0})
        busy = asyncio.create_task(pool.invoke("sleep", {"seconds": 1.5}))
        await asyncio.sleep(0)

        with pytest.raises(FunctionThrottled):
            await pool.invoke("sleep", {"seconds": 0})

        assert await busy
        assert await pool.invoke("sleep", {"seconds": 0})


async def test_a_full_queue_throttles_at_once(tmp_path: Path) -> None:
    function = a_function("sleep", concurrency=1)
    async with running_pool(tmp_path, function, queue_length=2) as pool:
        calls = [asyncio.create_task(pool.invoke("sleep", {"seconds": 0.1})) for _ in range(2)]
        await asyncio.sleep(0)

        with pytest.raises(FunctionThrottled):
            await pool.invoke("sleep", {"seconds": 0})

        await asyncio.gather(*calls)


async def test_an_event_whose_caller_left_the_queue_is_not_run(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("echo", concurrency=1)) as pool:
        abandoned = asyncio.create_task(pool.invoke("echo", {"n": 1}))
        await asyncio.sleep(0)
        abandoned.cancel()

        answer = await pool.invoke("echo", {"n": 2})

        assert answer["calls"] == 1


async def test_idle_processes_end_after_a_while(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("echo"), idle_expiry=0.2) as pool:
        first = await pool.invoke("echo", {})

        await until(lambda: pool.processes() == {})

        assert not is_alive(first["pid"])
        assert (await pool.invoke("echo", {}))["calls"] == 1


async def test_a_function_can_be_warmed_before_its_first_event(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("echo")) as pool:
        pool.warm(["echo"])
        await until(lambda: bool(pool.processes()))
        warmed = pool.processes()["echo"]

        answer = await pool.invoke("echo", {})

        assert [answer["pid"]] == warmed


async def test_stopping_finishes_what_is_under_way_and_leaves_no_process(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("sleep"), a_function("echo")) as pool:
        idle = await pool.invoke("echo", {})
        under_way = [asyncio.create_task(pool.invoke("sleep", {"seconds": 0.3})) for _ in range(3)]
        await asyncio.sleep(0)

    assert not is_alive(idle["pid"])
    finished = await asyncio.gather(*under_way)
    assert not any(is_alive(answer["pid"]) for answer in finished)


async def test_a_stopping_pool_takes_no_new_event_and_waits_no_longer_than_its_grace(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("sleep")) as pool:
        warm = await pool.invoke("sleep", {"seconds": 0})
        under_way = asyncio.create_task(pool.invoke("sleep", {"seconds": 60}))
        await asyncio.sleep(0)

        stopping = asyncio.create_task(pool.stop(grace=0.3))
        await asyncio.sleep(0)
        with pytest.raises(FunctionThrottled):
            await pool.invoke("sleep", {})

        await stopping
        with pytest.raises(FunctionCrashed):
            await under_way
        assert not is_alive(warm["pid"])


async def test_stopping_ends_processes_that_ignore_the_request_with_all_they_started(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("stubborn")) as pool:
        stubborn = await pool.invoke("stubborn", {})

    assert not is_alive(stubborn["pid"])
    await until(lambda: not is_alive(stubborn["child"]))
