// Shows the two documents of this instance. All addresses are relative to this page, so that it
// works below any path at which a proxy publishes the instance.
"use strict";

const base = new URL(".", window.location.href);

function belowBase(request) {
  const url = new URL(request.url, base);
  const own = url.origin === base.origin;
  if (!request.loadSpec && own && !url.pathname.startsWith(base.pathname)) {
    url.pathname = base.pathname + url.pathname.slice(1);
    request.url = url.href;
  }
  return request;
}

window.ui = SwaggerUIBundle({
  urls: [
    { name: "Current paths (/v2)", url: "openapi.json" },
    { name: "Older paths (/v1, /sessions, without a prefix)", url: "openapi-older.json" },
  ],
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  layout: "StandaloneLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  requestInterceptor: belowBase,
  tryItOutEnabled: true,
  validatorUrl: null, // the default asks a public server
});
