// http-proxy, what most people would build a proxy of in Node from.

import { readFileSync } from 'node:fs'
import { entry } from '../machine/place.ts'
import type { Contender } from './contender.ts'

export const httpProxy: Contender = {
  name: 'http-proxy',
  summary: 'http-proxy of npm on node:http with a keep-alive agent; verifies nobody',
  missing: () => (version() === undefined ? 'not installed: npm install http-proxy' : undefined),
  cannot: ({ limit, kind }) => (kind === 'http2' ? 'no HTTP/2' : limit > 0 ? 'no limit' : undefined),
  fixedPorts: [],
  version: () => version() ?? 'missing',
  command({ ports, backendPort, upstream, pair }) {
    const args = [ports.h, ports.tls, backendPort, upstream, pair.certificate, pair.key].map(String)
    return { file: process.execPath, args: [entry('contenders/http-proxy-server'), ...args], talks: true }
  },
}

function version(): string | undefined {
  try {
    const path = new URL(import.meta.resolve('http-proxy'))
    return JSON.parse(readFileSync(new URL('package.json', path), 'utf8')).version
  } catch {
    return undefined
  }
}
