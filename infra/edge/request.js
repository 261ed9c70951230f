// What stands in front of both APIs: a CloudFront function at the viewer's request (runtime cloudfront-js-2.0).
// fullon.runtime.gateway.edge does the same elsewhere; tests/infra/test_edge.py runs this file.

const SOCKET_STAGE = "/ws";
const SOCKET_PATHS = ["/ws", "/ws/", "/api/v1/cache/ws"];

function handler(event) {
  const request = event.request;
  const headers = request.headers;

  // The authorizer's identity source is the one header Authorization, so an API key travels in it.
  if (headers["x-api-key"] && !headers["authorization"]) {
    const key = headers["x-api-key"].value;
    delete headers["x-api-key"];
    if (key) {
      headers["authorization"] = { value: "Bearer " + key };
    }
  }

  // The login limit counts the viewer's address. What the client claims is replaced; the proof comes with the origin.
  headers["x-viewer-address"] = { value: event.viewer.ip };
  delete headers["x-origin-proof"];

  // API Gateway takes the first segment of a WebSocket address for the stage.
  if (SOCKET_PATHS.includes(request.uri)) {
    request.uri = SOCKET_STAGE;
  }
  return request;
}
