// A command that runs the proxy with an attested container: it puts an RA-TLS front before whatever listens on USER_PORT
// and becomes `postern` with the same arguments, so that a suite made for plaintext containers exercises the verified
// leg. Evidence is SYNTHETIC. Bytes pass through unchanged, whatever ALPN has chosen: what is behind tells by the first.
//
//   node test/support/attested-front.ts proxy --policy POLICY

import { connect, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { withKeyPem } from '../../src/identity/credential.ts'

const behind = Number(process.env['USER_PORT'])

/** Joins the two for as long as both live; an end or an error of one is one of the other. */
function join(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroySoon())
  }
}

const options = {
  minVersion: 'TLSv1.3',
  ALPNProtocols: ['h2', 'http/1.1'],
  allowHalfOpen: true,
  noDelay: true,
} as const

const credential = await demoCredential(demoFunction())
const front = withKeyPem(credential, pem =>
  createServer({ ...pem, ...options }, socket => {
    join(socket, connect({ port: behind, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
  }),
)
front.on('tlsClientError', () => {})
await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve))
const address = front.address()
const port = typeof address === 'object' && address ? address.port : 0

process.env['USER_PORT'] = String(port)
// In this very process: whoever ends it, however, ends both.
await import('../../src/postern.js')
