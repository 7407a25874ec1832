// What stands behind every contender: one small process that answers at once, nginx where there is one and Node where
// not, the same for all in a run. Its certificate is that of the demo's function, with SYNTHETIC evidence in it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { demoFunction } from '../src/demo/enclaves.ts'
import { demoCredential } from '../src/demo/function.ts'
import { withKeyPem } from '../src/identity/credential.ts'
import type { Command } from './children.ts'
import { type BackendPorts, nginxBackend } from './nginx.ts'
import { beside } from './place.ts'
import type { Tools } from './tools.ts'

export interface Backend {
  readonly kind: 'nginx' | 'node'
  readonly command: Command
}

/** @param folder an empty one, which nobody else can read: the certificate's key lies in it while the run lasts */
export async function prepareBackend(tools: Tools, folder: string, ports: BackendPorts): Promise<Backend> {
  const certificate = join(folder, 'backend.pem')
  const key = join(folder, 'backend.key')
  withKeyPem(await demoCredential(demoFunction()), pem => {
    writeFileSync(certificate, pem.cert)
    writeFileSync(key, pem.key, { mode: 0o600 })
  })
  if (tools.nginx) {
    const places = { folder: join(folder, 'backend'), file: tools.nginx.file }
    return { kind: 'nginx', command: nginxBackend(places, ports, certificate, key) }
  }
  const args = [beside('backend-server'), String(ports.plain), String(ports.tls), certificate, key]
  return { kind: 'node', command: { file: process.execPath, args } }
}
