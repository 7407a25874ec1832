// What is asked of every contender: one row a load. A row says which legs it is run on, what a request looks like and how
// it is offered; another load is another row.

import type { LegName } from './legs.ts'
import { type Shape, small } from './requests.ts'

/**
 * How the load is offered. `closed`: each connection has one request under way. `open`: at a fixed rate, whatever the
 * answers do.
 */
export type Kind = 'closed' | 'open'

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
}

const every: readonly LegName[] = ['h-h', 'h-tls', 'tls-h', 'tls-tls']
const closed = {
  kind: 'closed',
  legs: every,
  quick: [],
  shape: small,
  connections: 32,
  keepAlive: true,
  rate: 0,
  limit: 0,
  closely: false,
} as const

export const scenarios: readonly Scenario[] = [
  {
    ...closed,
    name: 'small-c32',
    summary: '105 B answer, 32 connections',
    quick: ['h-h', 'h-tls', 'tls-h'],
    closely: true,
  },
  { ...closed, name: 'small-c1', summary: '105 B answer, one connection', connections: 1 },
  { ...closed, name: 'small-c100', summary: '105 B answer, 100 connections', connections: 100 },
  {
    ...closed,
    name: 'small-c1000',
    summary: '105 B answer, 1,000 connections',
    legs: ['h-h', 'h-tls'],
    connections: 1000,
  },
  {
    ...closed,
    name: '10k',
    summary: '10 KiB answer, 32 connections',
    shape: { ...small, path: '/bytes/10240', answerBytes: 10_240 },
  },
  {
    ...closed,
    name: '1m',
    summary: '1 MiB answer, 8 connections',
    quick: ['h-tls'],
    shape: { ...small, path: '/bytes/1048576', answerBytes: 1_048_576 },
    connections: 8,
    closely: true,
  },
  {
    ...closed,
    name: 'post-64k',
    summary: 'POST of 64 KiB, 105 B answer once it is read, 32 connections',
    shape: { ...small, method: 'POST', bodyBytes: 65_536 },
  },
  {
    ...closed,
    name: 'new-connections',
    summary: 'a connection (and TLS handshake) for each request, 16 at a time',
    quick: ['tls-h'],
    legs: ['h-h', 'tls-h', 'tls-tls'],
    connections: 16,
    keepAlive: false,
  },
  {
    ...closed,
    name: 'new-upstreams',
    summary: 'the container closes after each answer: a new connection (and handshake, and verdict) behind the proxy',
    legs: ['h-h', 'h-tls'],
    shape: { ...small, path: '/close' },
    connections: 16,
  },
  {
    ...closed,
    name: 'limited-c100',
    summary: '105 B answer, 100 connections, CONTAINER_CONCURRENCY=100',
    legs: ['h-h', 'h-tls'],
    connections: 100,
    limit: 100,
  },
]
