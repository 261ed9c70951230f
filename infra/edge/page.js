// What stands in front of the dashboard's bucket: a CloudFront function at the viewer's request (cloudfront-js-2.0).
// An address without a file extension is a page of the application, which index.html shows, as
// fullon.runtime.gateway.statics does elsewhere; tests/infra/test_edge.py runs this file.

function handler(event) {
  const request = event.request;
  if (!request.uri.split("/").pop().includes(".")) {
    request.uri = "/app/index.html";
  }
  return request;
}
