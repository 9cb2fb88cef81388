/** What a node shows over HTTP beside the operations of its systems, each by GET. */
export const OWN_PAGES = [
  ...['/healthz', '/readyz', '/metrics', '/openapi.json'],
  ...['/docs', '/docs/page.js', '/docs/page.css'],
] as const;
