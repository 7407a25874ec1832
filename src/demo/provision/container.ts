// The function of the tour, a process of its own: a Node server with what `postern/function` offers anybody. It lets in the
// proxy that it was told of, by its evidence, and answers challenges.

import { once } from 'node:events'
import { createServer } from 'node:https'
import { attest } from '../../function/library.ts'
import { synthetic, syntheticProxy } from '../synthetic.ts'
import { converse } from './conversation.ts'

/** A container of a pod has one client, the proxy, which asks for evidence on each new connection. */
const quotesPerSecond = 100

export interface FunctionReport {
  readonly requests: number
  /** Rules by which clients were turned away. */
  readonly refused: readonly string[]
}

/** @param service whose proxy may call, SPIFFE ID */
export async function startFunction(port: number, service: string) {
  let requests = 0
  const refused: string[] = []
  const attestation = await attest({
    clients: { enclaves: [syntheticProxy] },
    service,
    quotesPerSecond,
    dangerSynthetic: synthetic(),
    report: ({ event, reason }) => {
      if (event === 'client-refused') refused.push(reason)
    },
  })
  const server = createServer(attestation.tls, (message, response) => {
    requests += 1
    response.setHeader('Content-Type', 'text/plain; charset=utf-8')
    response.end(`hello from the function; you asked for ${message.method} ${message.url}\n`)
  })
  attestation.protect(server).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    report: (): FunctionReport => ({ requests, refused }),
    async close() {
      server.close()
      server.closeAllConnections()
      await attestation.close()
    },
  }
}

export const functionModule: string = import.meta.url

if (import.meta.main) {
  const [port, service = ''] = process.argv.slice(2)
  const running = await startFunction(Number(port), service)
  await converse({ report: running.report })
  await running.close()
}
