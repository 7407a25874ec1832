// The bytes of requests and answers. Ten header fields, as a request has them that came through ingress and activator.

export interface Shape {
  readonly method: 'GET' | 'POST'
  /** What the backend does with it: see backend/server.ts. */
  readonly path: string
  readonly bodyBytes: number
  readonly answerBytes: number
}

export const requestHeaders: readonly (readonly [name: string, value: string])[] = [
  ['Host', 'hello.default.example.com'],
  ['User-Agent', 'postern-bench/1.0'],
  ['Accept', '*/*'],
  ['Accept-Encoding', 'gzip'],
  ['Forwarded', 'for=10.244.0.17;proto=http'],
  ['K-Proxy-Request', 'activator'],
  ['Traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  ['X-Forwarded-For', '10.244.0.17, 10.244.0.9'],
  ['X-Forwarded-Proto', 'http'],
  ['X-Request-Id', '6f0d3c52-9f0b-4b7e-8f53-2f1a7f0f6c1d'],
]

/** 105 bytes. */
export const smallBody = JSON.stringify({
  id: '6f0d3c52-9f0b-4b7e-8f53-2f1a7f0f6c1d',
  status: 'ok',
  items: [1, 2, 3],
  message: 'hello, new world!',
})

export const small: Shape = { method: 'GET', path: '/', bodyBytes: 0, answerBytes: smallBody.length }

/**
 * A whole request; the head of the plain one is 374 bytes.
 * @param more header lines besides the usual, such as those of an upgrade
 */
export function requestBytes(
  { method, path, bodyBytes }: Shape,
  keepAlive: boolean,
  more: readonly string[] = [],
): Buffer {
  const lines = [...requestHeaders.map(([name, value]) => `${name}: ${value}\r\n`), ...more.map(line => `${line}\r\n`)]
  if (!keepAlive) lines.push('Connection: close\r\n')
  if (bodyBytes > 0) lines.push('Content-Type: application/octet-stream\r\n', `Content-Length: ${bodyBytes}\r\n`)
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(bodyBytes, 'x')])
}
