// Every combination of legs, with the whole role between: clients on the plain port or over TLS, containers in plaintext
// or attested. Real peers of any protocol are put at both ends.

import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { type Role, startRole } from './engine-role.ts'

/** What accepts the attested container. */
export const policyFile = fileURLToPath(new URL('attested-serve.json', import.meta.url))

export interface Legs {
  readonly name: string
  /** Whether clients come over TLS. */
  readonly secure: boolean
  readonly attested: boolean
}

export const allLegs: readonly Legs[] = [
  { name: 'plain, container in plaintext', secure: false, attested: false },
  { name: 'TLS, container in plaintext', secure: true, attested: false },
  { name: 'plain, attested container', secure: false, attested: true },
  { name: 'TLS, attested container', secure: true, attested: true },
]

/**
 * The role with these legs; the container is whoever listens on `port`.
 * @param changes to the policy's document
 * @param probe as startRole()
 */
export async function startLegs(
  t: Test,
  { attested, secure }: Legs,
  port: number,
  changes: (policy: ReturnType<typeof JSON.parse>) => void = () => {},
  probe?: object,
): Promise<Role & { readonly port: number }> {
  const policy = JSON.parse(readFileSync(policyFile, 'utf8'))
  if (!attested) policy.upstream = { mode: 'plaintext', upgrade: { allow: ['*'] }, allowUnframed: true }
  changes(policy)
  const role = await startRole(t, JSON.stringify(policy), secure, undefined, probe)
  await stand(t, role.userPort, port, attested)
  return { ...role, port: secure ? role.tlsPort : role.plainPort }
}

/** In the container's place: hands everything on, TLS ended where there is any. */
export async function stand(t: Test, at: number, behind: number, attested: boolean): Promise<void> {
  const open = new Set<Socket>()
  const pass = (socket: Socket): void => {
    const to = connect({ port: behind, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    for (const [from, other] of [
      [socket, to],
      [to, socket],
    ] as const) {
      open.add(from)
      from.pipe(other)
      from.on('error', () => other.destroy())
      from.on('close', () => other.destroySoon())
    }
  }
  const options = { ALPNProtocols: ['h2', 'http/1.1'], allowHalfOpen: true, noDelay: true }
  let server: Server = createServer(options, pass)
  if (attested) {
    server = withKeyPem(await demoCredential(demoFunction()), pem =>
      createTlsServer({ ...pem, ...options, minVersion: 'TLSv1.3' }, pass),
    )
    server.on('tlsClientError', () => {})
  }
  await new Promise<void>(resolve => server.listen(at, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
}
