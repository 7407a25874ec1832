// A Gramine manifest as the rules ask about it: keys by dotted path, what the environment is made of, and which file of
// the host a path inside the enclave names. Source: Gramine's "Manifest syntax" (v1.9). Reads, judges nothing.

import { posix } from 'node:path'
import { isTable, type Table } from './toml.ts'

export interface Mount {
  /** chroot, tmpfs, encrypted or untrusted_shm; Gramine's default is chroot. */
  readonly type: string
  /** Inside the enclave; `/` for the root. */
  readonly path: string
  /** On the host, without `file:`. */
  readonly host: string
  /** Of an encrypted mount: by which of Gramine's keys. */
  readonly keyName: string
}

export interface TrustedFile {
  /** On the host, without `file:`; a directory ends in `/`. */
  readonly host: string
  /** Undefined until gramine-manifest has computed it. */
  readonly sha256: string | undefined
}

const units: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

/** Bytes of `2M`, `0x1000`, `1024G` and the like; undefined for anything else. */
export function sizeOf(value: unknown): number | undefined {
  const [, digits = '', unit = ''] = /^(0x[0-9a-fA-F]+|[0-9]+)([KMG]?)$/.exec(String(value)) ?? []
  return digits === '' ? undefined : Number(digits) * (units[unit] ?? 1)
}

/** The path behind `file:`, with `.` and `//` gone and a final slash kept; anything else as it stands. */
export function pathOf(uri: string): string {
  return uri.startsWith('file:') ? posix.normalize(uri.slice('file:'.length)) : uri
}

/** True where `path` is `parent` or lies below it, whether or not either ends in a slash. */
export function within(path: string, parent: string): boolean {
  const above = parent.endsWith('/') ? parent : `${parent}/`
  return `${path}/`.startsWith(above)
}

export class Manifest {
  readonly #table: Table

  constructor(table: Table) {
    this.#table = table
  }

  /** The value at a dotted path; undefined where there is none. */
  get(path: string): unknown {
    let value: unknown = this.#table
    for (const key of path.split('.')) value = isTable(value) && Object.hasOwn(value, key) ? value[key] : undefined
    return value
  }

  /** Keys of the table at a dotted path; `''` is the whole. */
  keys(path: string): readonly string[] {
    const value = path === '' ? this.#table : this.get(path)
    return isTable(value) ? Object.keys(value) : []
  }

  /** Text at a path; `''` where there is none. */
  text(path: string): string {
    const value = this.get(path)
    return typeof value === 'string' ? value : ''
  }

  /** The strings of an array; none where there is no array. */
  texts(path: string): readonly string[] {
    return this.tables(path).filter(value => typeof value === 'string')
  }

  /** The members of an array, whatever they are. */
  tables(path: string): readonly unknown[] {
    const value = this.get(path)
    return Array.isArray(value) ? value : []
  }

  get argv(): readonly string[] {
    return this.texts('loader.argv')
  }

  /** What stands under loader.env, by name. */
  get #environment(): readonly (readonly [name: string, value: unknown])[] {
    const env = this.get('loader.env')
    return Object.entries(isTable(env) ? env : {})
  }

  /** Names that come from the host. */
  get passthrough(): readonly string[] {
    return this.#environment.flatMap(([name, value]) => (isTable(value) && value['passthrough'] === true ? [name] : []))
  }

  /** Names with a measured value. */
  get constants(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const [name, value] of this.#environment) {
      const text = isTable(value) ? value['value'] : value
      if (typeof text === 'string') found.set(name, text)
    }
    return found
  }

  get allowed(): readonly string[] {
    return this.texts('sgx.allowed_files').map(pathOf)
  }

  get trusted(): readonly TrustedFile[] {
    return this.tables('sgx.trusted_files').flatMap(entry => {
      const uri = isTable(entry) ? entry['uri'] : entry
      const sha256 = isTable(entry) && typeof entry['sha256'] === 'string' ? entry['sha256'] : undefined
      return typeof uri === 'string' ? [{ host: pathOf(uri), sha256 }] : []
    })
  }

  /** The root first, then the mounts in their order. */
  get mounts(): readonly Mount[] {
    const of = (entry: unknown, path: string): Mount => {
      const { type = 'chroot', uri = 'file:.', key_name = 'default' } = isTable(entry) ? entry : {}
      return { type: String(type), path, host: pathOf(String(uri)), keyName: String(key_name) }
    }
    const mounts = this.tables('fs.mounts').map(entry => {
      return of(entry, posix.normalize(isTable(entry) ? String(entry['path']) : ''))
    })
    return [of(this.get('fs.root'), '/'), ...mounts]
  }

  /** The mount that a path inside the enclave lies on. */
  mountOf(inside: string): Mount {
    const path = posix.resolve('/', this.text('fs.start_dir'), inside)
    return this.mounts
      .filter(each => within(path, each.path))
      .reduce((best, each) => (each.path.length >= best.path.length ? each : best))
  }

  /** Which file of the host a path inside the enclave names; undefined where it is memory or encrypted. */
  hostPath(inside: string): string | undefined {
    const path = posix.resolve('/', this.text('fs.start_dir'), inside)
    const mount = this.mountOf(path)
    return mount.type === 'chroot' ? posix.join(mount.host, posix.relative(mount.path, path)) : undefined
  }

  /** True where the bytes at a path inside the enclave are measured. */
  isTrusted(inside: string): boolean {
    const host = this.hostPath(inside)
    return host !== undefined && this.trusts(host)
  }

  /** True where a file of the host, or a directory above it, is trusted. */
  trusts(host: string): boolean {
    return this.trusted.some(file => file.host === host || (file.host.endsWith('/') && within(host, file.host)))
  }
}
