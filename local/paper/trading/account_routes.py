"""The account over REST and the WebSocket API: balances, fees, what a key may do, listen keys, lists ccxt asks for."""

from __future__ import annotations

from typing import Any

from local.paper import errors
from local.paper.parameters import Parameters
from local.paper.trading.accounts import Account, Balance, Key
from local.paper.trading.answers import number
from local.paper.trading.routes import TradingRoute, TradingVenue
from local.paper.trading.signing import Needs


def account(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    without_zeros = query.text("omitZeroBalances", "true", "false") == "true"
    now = venue.desk.now()
    owner = venue.desk.state.accounts[key.account]
    balances = _balances(venue, key)
    maker, taker = (int(rate * 10_000) for rate in (owner.maker, owner.taker))
    return {
        "makerCommission": maker,
        "takerCommission": taker,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(owner),
        "canTrade": key.trade,
        "canWithdraw": key.withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": number(balance.free), "locked": number(balance.locked)}
            for asset, balance in balances.items()
            if not without_zeros or balance.free or balance.locked
        ],
        "permissions": ["SPOT"],
        "uid": key.account,
    }


def commission(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    symbol = query.instrument().symbol
    none = {name: number(0) for name in ("maker", "taker", "buyer", "seller")}
    return {
        "symbol": symbol.id,
        "standardCommission": _rates(venue.desk.state.accounts[key.account]),
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": number(0),
        },
    }


def order_usage(venue: TradingVenue, key: Key, _: Parameters) -> list[dict[str, object]]:
    return venue.limit.usage(key.account)


def restrictions(_: TradingVenue, key: Key, __: Parameters) -> dict[str, Any]:
    return {
        "ipRestrict": False,
        "createTime": key.created,
        "enableReading": key.read,
        "enableSpotAndMarginTrading": key.trade,
        "enableWithdrawals": key.withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enablePortfolioMarginTrading": False,
    }


def trade_fees(venue: TradingVenue, key: Key, query: Parameters) -> list[dict[str, str]]:
    chosen = query.instruments() or venue.exchange.instruments.values()
    owner = venue.desk.state.accounts[key.account]
    fees = {"makerCommission": format(owner.maker, "f"), "takerCommission": format(owner.taker, "f")}
    return [{"symbol": each.symbol.id, **fees} for each in chosen]


def coins(venue: TradingVenue, key: Key, _: Parameters) -> list[dict[str, Any]]:
    venue.desk.now()
    return [
        {
            "coin": asset,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "name": asset,
            "free": number(balance.free),
            "locked": number(balance.locked),
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for asset, balance in _balances(venue, key).items()
    ]


def nothing(_: TradingVenue, __: Key, ___: Parameters) -> list[object]:
    return []


def open_stream(venue: TradingVenue, key: Key, _: Parameters) -> dict[str, str]:
    return {"listenKey": venue.streams.open_key(key.account)}


def keep_stream(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, str]:
    venue.streams.keep_key(_listen_key(query), key.account)
    return {}


def close_stream(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, str]:
    venue.streams.close_key(_listen_key(query), key.account)
    return {}


def _listen_key(query: Parameters) -> str:
    value = query.text("listenKey")
    if not value:
        raise errors.missing("listenKey")
    return value


def _balances(venue: TradingVenue, key: Key) -> dict[str, Balance]:
    """Of every asset of the venue and every other one the account has, by name."""
    symbols = [each.symbol for each in venue.exchange.instruments.values()]
    listed = {asset: Balance() for symbol in symbols for asset in (symbol.base, symbol.quote)}
    return dict(sorted((listed | venue.desk.state.balances.get(key.account, {})).items()))


def _rates(owner: Account) -> dict[str, str]:
    return {
        "maker": number(owner.maker),
        "taker": number(owner.taker),
        "buyer": number(0),
        "seller": number(0),
    }


def _route(answer: Any, weight: int, needs: Needs = Needs.READ) -> TradingRoute:
    return TradingRoute(answer, lambda _: weight, needs)


ACCOUNT_ROUTES = {
    ("GET", "/api/v3/account"): _route(account, 20),
    ("GET", "/api/v3/account/commission"): _route(commission, 20),
    ("GET", "/api/v3/rateLimit/order"): _route(order_usage, 40),
    ("POST", "/api/v3/userDataStream"): _route(open_stream, 2, Needs.KEY),
    ("PUT", "/api/v3/userDataStream"): _route(keep_stream, 2, Needs.KEY),
    ("DELETE", "/api/v3/userDataStream"): _route(close_stream, 2, Needs.KEY),
    ("GET", "/sapi/v1/account/apiRestrictions"): _route(restrictions, 1),
    ("GET", "/sapi/v1/asset/tradeFee"): _route(trade_fees, 1),
    ("GET", "/sapi/v1/capital/config/getall"): _route(coins, 10),
    ("GET", "/sapi/v1/margin/allPairs"): _route(nothing, 1),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): _route(nothing, 10),
}
