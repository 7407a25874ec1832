// What is asked of every contender: one row a load. A row says which legs it is run on, what a request looks like and how
// it is offered; another load is another row.

import type { LegName } from './legs.ts'
import { type Shape, small } from './requests.ts'

/**
 * How the load is offered.
 *
 * - `closed`: each connection has one request under way
 * - `open`: at a fixed rate, whatever the answers do
 * - `http2`: HTTP/2 on both legs, each connection with 16 requests under way (h2load)
 * - `websocket`: each connection is a WebSocket with one message under way, which the backend echoes
 * - `events`: each connection receives server-sent events, one every 10 ms
 * - `idle`: connections that have asked once and then say nothing
 * - `start`: no load; the process is started, and asked until it answers
 */
export type Kind = 'closed' | 'open' | 'http2' | 'websocket' | 'events' | 'idle' | 'start'

export interface Scenario {
  readonly name: string
  readonly summary: string
  readonly kind: Kind
  readonly legs: readonly LegName[]
  /** The legs of `run --quick`; none: left out there. */
  readonly quick: readonly LegName[]
  readonly shape: Shape
  readonly connections: number
  /** False: a connection for each request, which the proxy closes. */
  readonly keepAlive: boolean
  /** Requests a second; 0 with a closed loop. */
  readonly rate: number
  /** CONTAINER_CONCURRENCY of the proxy; 0 is no limit. */
  readonly limit: number
  /** Whether system calls are counted, and a second copy of one contender runs as the control. */
  readonly closely: boolean
  /** Each round on a process of its own, started for it. */
  readonly fresh: boolean
  /** 503 is an answer too: it is counted apart, and no error. */
  readonly refusals: boolean
  /** The container shows another certificate on each connection, so that nothing that was verified can be used again. */
  readonly changing: boolean
  /** Who takes part: everybody, ours alone, or ours in the steps of the ladder. */
  readonly who: 'all' | 'own' | 'ladder'
  /** In place of the run's; undefined: as in the run. */
  readonly rounds?: number
  readonly seconds?: number
}

const every: readonly LegName[] = ['h-h', 'h-tls', 'tls-h', 'tls-tls']
const front: readonly LegName[] = ['h-h', 'h-tls']

const usual = {
  kind: 'closed',
  legs: every,
  quick: [],
  shape: small,
  connections: 32,
  keepAlive: true,
  rate: 0,
  limit: 0,
  closely: false,
  fresh: false,
  refusals: false,
  changing: false,
  who: 'all',
} as const

const open = { ...usual, kind: 'open', legs: front, connections: 64 } as const

export const scenarios: readonly Scenario[] = [
  {
    ...usual,
    name: 'small-c32',
    summary: '105 B answer, 32 connections',
    quick: front,
    closely: true,
  },
  { ...usual, name: 'small-c1', summary: '105 B answer, one connection', legs: front, connections: 1 },
  { ...usual, name: 'small-c100', summary: '105 B answer, 100 connections', legs: front, connections: 100 },
  { ...usual, name: 'small-c1000', summary: '105 B answer, 1,000 connections', legs: front, connections: 1000 },
  {
    ...usual,
    name: '10k',
    summary: '10 KiB answer, 32 connections',
    legs: front,
    shape: { ...small, path: '/bytes/10240', answerBytes: 10_240 },
  },
  {
    ...usual,
    name: '1m',
    summary: '1 MiB answer, 8 connections',
    quick: ['h-tls'],
    shape: { ...small, path: '/bytes/1048576', answerBytes: 1_048_576 },
    connections: 8,
  },
  {
    ...usual,
    name: 'post-64k',
    summary: 'POST of 64 KiB, 105 B answer once it is read, 32 connections',
    legs: ['h-h', 'h-tls', 'tls-h'],
    shape: { ...small, method: 'POST', bodyBytes: 65_536 },
  },
  {
    ...usual,
    name: 'new-connections',
    summary: 'a connection (and TLS handshake) for each request, 16 at a time',
    quick: ['tls-h'],
    legs: ['h-h', 'tls-h'],
    connections: 16,
    keepAlive: false,
  },
  {
    ...usual,
    name: 'new-upstreams',
    summary:
      'the container closes after each answer: a new connection (and handshake) behind the proxy for each request',
    legs: front,
    shape: { ...small, path: '/close' },
    connections: 16,
  },
  {
    ...usual,
    name: 'new-evidence',
    summary: 'as new-upstreams, with another certificate each time: evidence is verified for each request',
    legs: ['h-tls'],
    shape: { ...small, path: '/close' },
    connections: 16,
    changing: true,
    who: 'own',
  },
  {
    ...open,
    name: 'rate-1000',
    summary: '105 B answer at 1,000 requests a second over 64 connections',
    quick: front,
    rate: 1_000,
  },
  {
    ...open,
    name: 'rate-4000',
    summary: '105 B answer at 4,000 requests a second over 64 connections',
    legs: ['h-h'],
    rate: 4_000,
  },
  {
    ...usual,
    name: 'http2',
    summary: 'HTTP/2 on both legs: 105 B answer, 4 connections with 16 requests under way each',
    kind: 'http2',
    legs: front,
    quick: ['h-h'],
    connections: 4,
  },
  {
    ...usual,
    name: 'grpc',
    summary: 'gRPC unary over HTTP/2: 105 B message and trailers back, 4 connections with 16 calls under way each',
    kind: 'http2',
    legs: ['h-h'],
    shape: { ...small, path: '/grpc' },
    connections: 4,
  },
  {
    ...usual,
    name: 'websocket',
    summary: 'WebSocket messages of 64 B, echoed, 32 connections',
    kind: 'websocket',
    legs: front,
    shape: { ...small, path: '/echo' },
  },
  {
    ...usual,
    name: 'events',
    summary: 'server-sent events, one every 10 ms on each of 50 connections',
    kind: 'events',
    legs: ['h-h'],
    shape: { ...small, path: '/events' },
    connections: 50,
  },
  {
    ...usual,
    name: 'limited-c100',
    summary: '105 B answer, 100 connections, CONTAINER_CONCURRENCY=100',
    legs: front,
    connections: 100,
    limit: 100,
  },
  {
    ...open,
    name: 'overload',
    summary:
      'twice what the container can do: CONTAINER_CONCURRENCY=10, 10 ms each, so 1,000 requests a second; 2,000 come',
    shape: { ...small, path: '/sleep/10' },
    connections: 400,
    rate: 2_000,
    limit: 10,
    refusals: true,
  },
  {
    ...usual,
    name: 'idle',
    summary: '1,000 connections that have asked once and then stay open',
    kind: 'idle',
    legs: ['h-tls', 'tls-h'],
    connections: 1_000,
    fresh: true,
    rounds: 3,
  },
  {
    ...usual,
    name: 'memory',
    summary: 'resident memory after 20 s of load on 100 connections, in a process of its own',
    legs: ['h-tls'],
    connections: 100,
    fresh: true,
    rounds: 1,
    seconds: 20,
  },
  {
    ...usual,
    name: 'start',
    summary: 'from the start of the process to its first answer',
    kind: 'start',
    legs: front,
    quick: ['h-h'],
    fresh: true,
  },
  {
    ...usual,
    name: 'ladder',
    summary: '105 B answer, 32 connections: what each feature adds',
    legs: ['h-h'],
    who: 'ladder',
  },
]
