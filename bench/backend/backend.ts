// Starts the container that stands behind every contender. Its certificate is that of the demo's function, with SYNTHETIC
// evidence in it; proxies that need a certificate of their own show the same one, so that all do the same handshake.

import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Fault } from '../../src/base/errors.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import type { Child, Children } from '../machine/children.ts'
import { type Cores, entry, freePorts } from '../machine/place.ts'

export interface KeyPair {
  /** Paths of PEM files. */
  readonly certificate: string
  readonly key: string
}

export interface Backend {
  readonly child: Child
  /** `changing` is TLS with another certificate on each connection; 0 where that was not asked for. */
  readonly ports: { readonly h: number; readonly tls: number; readonly changing: number }
}

const readyMs = 15_000
const pauseMs = 50

/** @param folder one that nobody else can read: the key lies in it while the run lasts */
export async function makeKeyPair(folder: string, name = 'backend'): Promise<KeyPair> {
  const pair = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
  withKeyPem(await demoCredential(demoFunction()), pem => {
    writeFileSync(pair.certificate, pem.cert)
    writeFileSync(pair.key, pem.key, { mode: 0o600 })
  })
  return pair
}

/** Resolves when its ports are open. @throws Fault 'internal' where it does not start */
export async function startBackend(
  children: Children,
  cores: Cores | undefined,
  pair: KeyPair,
  changes: boolean,
): Promise<Backend> {
  const [h = 0, tls = 0, third = 0] = await freePorts(3)
  const changing = changes ? third : 0
  const args = [entry('backend/server'), String(h), String(tls), pair.certificate, pair.key]
  if (changes) args.push(String(changing))
  const child = children.start({ file: process.execPath, args, talks: true }, cores?.rest)
  for (const until = Date.now() + readyMs; Date.now() < until && child.ended() === undefined; ) {
    if ((await canConnect(h)) && (await canConnect(tls))) return { child, ports: { h, tls, changing } }
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
  throw new Fault('internal', `the backend did not start: ${child.said().trim().slice(-500)}`)
}

/** Whether somebody listens on the loopback interface. */
export function canConnect(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
