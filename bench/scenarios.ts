// What is asked of every contender: one row a load. A row says how the container behind the proxy speaks and how many
// connections ask; the request and the answer are the same in all rows of today.

export interface Scenario {
  readonly name: string
  readonly summary: string
  /** What stands behind the proxy: plain HTTP, or TLS 1.3 under an RA-TLS certificate. */
  readonly upstream: 'plain' | 'attested'
  /** Kept alive; each has one request under way at any time. */
  readonly connections: number
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'plain-small',
    summary: 'h→h, 105 B answer, 32 connections',
    upstream: 'plain',
    connections: 32,
  },
  {
    name: 'attested-small',
    summary: 'h→TLS 1.3, 105 B answer, 32 connections',
    upstream: 'attested',
    connections: 32,
  },
]

/** Ten header fields, as a request has them that came through ingress and activator. */
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

/** The whole head as on the wire, 374 bytes. */
export const requestHead = `GET / HTTP/1.1\r\n${requestHeaders.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`

/** 105 bytes. */
export const responseBody = JSON.stringify({
  id: '6f0d3c52-9f0b-4b7e-8f53-2f1a7f0f6c1d',
  status: 'ok',
  items: [1, 2, 3],
  message: 'hello, new world!',
})
