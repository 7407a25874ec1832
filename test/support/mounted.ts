// A certificate as the kubelet mounts it: files that are links, into a folder that is swapped at once.

import { createHash } from 'node:crypto'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chainPem } from '../../src/identity/credential.ts'
import { makeCredential } from './identity.ts'

/** An empty folder becomes one in which pairs can be mounted. */
export async function prepareMount(folder: string): Promise<void> {
  for (const name of ['tls.crt', 'tls.key']) await symlink(`..data/${name}`, join(folder, name))
}

/**
 * Mounts a new self-signed pair in the place of the last.
 * @param generation a name not used before
 * @returns the leaf's SHA-256, hex
 */
export async function mountPair(folder: string, generation: string, lifeMs = 3_600_000): Promise<string> {
  const now = Date.now()
  const dates = { notBefore: now - 60_000, notAfter: now + lifeMs }
  const credential = await makeCredential({ ...dates, dnsNames: ['localhost'] }, 'file')
  const fresh = join(folder, `..${generation}`)
  await mkdir(fresh)
  await writeFile(join(fresh, 'tls.crt'), chainPem(credential.chain))
  await writeFile(join(fresh, 'tls.key'), credential.key.export({ type: 'pkcs8', format: 'pem' }))
  await symlink(`..${generation}`, join(folder, '..next'))
  await rename(join(folder, '..next'), join(folder, '..data'))
  return createHash('sha256').update(credential.chain[0]).digest('hex')
}
