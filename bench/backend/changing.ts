// A TLS server that shows another certificate, with SYNTHETIC evidence of its own, on each connection: more of them than
// a proxy keeps verdicts of, in turn.

import type { Server, Socket } from 'node:net'
import { createServer, type TlsOptions } from 'node:tls'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { withKeyPem } from '../../src/identity/credential.ts'

/** The verifier keeps 256 verdicts. */
const certificates = 300

export async function changingServer(serve: (socket: Socket) => void, options: TlsOptions): Promise<Server> {
  const enclave = demoFunction()
  const pairs: { cert: string; key: Buffer }[] = []
  while (pairs.length < certificates) {
    const credential = await demoCredential(enclave)
    // The key is wiped when the callback returns.
    pairs.push(withKeyPem(credential, ({ cert, key }) => ({ cert: String(cert), key: Buffer.from(key) })))
  }
  const server = createServer(options)
  let at = 0
  const turn = (): void => {
    server.setSecureContext({ ...options, ...pairs[at++ % certificates] })
  }
  turn()
  server.on('connection', turn)
  server.on('secureConnection', serve)
  return server
}
