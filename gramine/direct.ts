// The enclave under gramine-direct: Gramine without SGX, which enforces the manifest all the same, its list of trusted
// files included. `npm run direct -- --policy FILE` runs dist/enclave.js so, with the environment that it is given.
//
// The manifest names the places of the image, so it gets the image: the tree of layout.ts over the files of this machine,
// in a mount namespace, as user 65532, read-only, without capabilities. Evidence cannot be had: there is no SGX.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { systemCode } from '../src/base/errors.ts'
import { layOut } from './layout.ts'
import { writeEnclave } from './manifest.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const shippedBundle = join(root, 'dist/enclave.js')

/** Where the manifest has Gramine, as its Debian package puts it. */
const packaged = '/usr/lib/x86_64-linux-gnu/gramine'

/**
 * $1 is the tree, $2 and $3 empty folders, of which the latter becomes the root, $4 what happens to /app; then the command.
 * Layers of an overlay must not lie in one another, so the tree becomes a file system of its own.
 */
const namespace = `
set -eu
mount -t tmpfs -o mode=755 tmpfs "$2"
cp -a "$1/." "$2"
mount -t overlay overlay -o "lowerdir=$2:/" "$3"
for name in dev proc sys; do mount --rbind "/$name" "$3/$name"; done
mount -t tmpfs -o mode=1777 tmpfs "$3/tmp"
[ "$4" = read ] || mount --bind "$1/app" "$3/app"
shift 4
# What a debugger or a test runner loads into every Node is not in the image.
unset NODE_OPTIONS
exec "$@"
`

/** What chroot itself needs, as inheritable ones: the bounding set is empty for what it starts. */
const forChroot = ['sys_chroot', 'setuid', 'setgid'].map(name => `+${name}`).join()
const asNobody = [
  ...['setpriv', `--inh-caps=-all,${forChroot}`, 'setpriv', '--no-new-privs', '--bounding-set=-all'],
  ...['chroot', '--userspec=65532:65532', '--groups=65532'],
]

/** Why enclaves cannot be run here, and how that is cured; undefined where they can. */
export function directMissing(): string | undefined {
  for (const name of ['gramine-direct', 'gramine-manifest']) {
    if (spawnSync(name, ['--help']).error) {
      return `no ${name} on PATH: install Gramine 1.9 (https://gramine.readthedocs.io, or its source with -Ddirect=enabled)`
    }
  }
  const probe = `mount -t tmpfs tmpfs /tmp && mkdir /tmp/layer /tmp/root &&
    mount -t overlay overlay -o lowerdir=/tmp/layer:/ /tmp/root && exec setpriv --bounding-set=-all true`
  const { status, error, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', probe], { encoding: 'utf8' })
  if (status === 0) return undefined
  return `no mount namespace with an overlay (${error?.message ?? stderr.trim()}): run as root on Linux`
}

/** An enclave whose files lie at their places. */
export class DirectEnclave {
  /** Its tree: what is put into its folders, such as /var/lib/knative/certs, is what the host mounts there. */
  readonly tree: string
  readonly #folder: string

  /**
   * @param folder empty or new, for all files
   * @param policy path of a policy
   * @param bundle path of the program
   * @throws Fault, as writeEnclave
   */
  constructor(folder: string, policy: string, bundle: string = shippedBundle) {
    this.#folder = folder
    this.tree = join(folder, 'tree')
    const made = join(folder, 'made')
    writeEnclave(['--policy', policy, '--bundle', bundle, '--out', join(made, 'dist/enclave')])
    copyFileSync(join(root, 'LICENSE'), join(made, 'LICENSE'))
    layOut(made, 'enclave', this.tree)
    for (const name of ['layer', 'root']) mkdirSync(join(folder, name))
    const runtime = installed()
    if (runtime === packaged) return
    mkdirSync(join(this.tree, dirname(packaged)), { recursive: true })
    symlinkSync(runtime, join(this.tree, packaged))
  }

  /** Writes the hashes into the manifest. To be called once, when no file changes any more. */
  measure(): void {
    this.prepare('gramine-manifest', '/app/postern.manifest.toml', '/app/postern.manifest')
  }

  /**
   * Runs a command in the image as it is being made: as root, /app can be written.
   * @returns what it printed. @throws Error with what it said, where it fails
   */
  prepare(...command: readonly string[]): string {
    const [file = '', ...args] = this.#inside('write', ['chroot', this.#root, ...command])
    const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command.join(' ')}: ${error?.message ?? stderr.trim()}`)
    return stdout
  }

  /** The command line that runs it; the process that it starts becomes Gramine. */
  command(): readonly string[] {
    return this.#inside('read', [...asNobody, this.#root, 'gramine-direct', '/app/postern'])
  }

  get #root(): string {
    return join(this.#folder, 'root')
  }

  #inside(app: 'read' | 'write', command: readonly string[]): string[] {
    const mounted = [
      'sh',
      '-c',
      namespace,
      'enclave',
      this.tree,
      join(this.#folder, 'layer'),
      this.#root,
      app,
      ...command,
    ]
    return ['unshare', '--mount', '--propagation', 'private', ...mounted]
  }
}

/** The folder in which this machine has Gramine. */
export function installed(): string {
  const asked = ['--no-check', '--string', 'loader.env.AT = "{{ gramine.runtimedir() }}"\nlibos.entrypoint = "x"']
  const { stdout, stderr, error } = spawnSync('gramine-manifest', asked, { encoding: 'utf8' })
  const runtime = /^AT = "(.+)\/runtime\/glibc\/?"$/m.exec(stdout ?? '')?.[1]
  if (runtime === undefined) throw new Error(`gramine-manifest: ${error?.message ?? stderr.trim()}`)
  return runtime
}

const usage = `usage: npm run direct -- --policy FILE [--folder DIR] [--print]
       npm run direct -- --check

  --policy FILE  whom it trusts; evidence cannot be had, so not one that asks for it
  --folder DIR   a new one for its files (default dist/direct, which is replaced)
  --print        prepares only, and prints the command line that runs it, as JSON
  --check        says what is missing here, with exit code 1
`

const usualFolder = join(root, 'dist/direct')
const options = {
  policy: { type: 'string' },
  folder: { type: 'string', default: usualFolder },
  print: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
} as const

/** @returns the exit code. @throws TypeError from parseArgs, and the errors of DirectEnclave */
function main(argv: readonly string[]): number {
  const { values } = parseArgs({ args: [...argv], options })
  if ((values.policy === undefined) !== values.check) return say(usage, 64)
  const missing = directMissing() ?? bundleMissing()
  if (missing !== undefined) return say(`${missing}\n`, 1)
  if (values.policy === undefined) return 0
  if (values.folder === usualFolder) rmSync(usualFolder, { recursive: true, force: true })
  const enclave = new DirectEnclave(resolve(values.folder), values.policy)
  enclave.measure()
  const [file = '', ...args] = enclave.command()
  if (values.print) process.stdout.write(`${JSON.stringify([file, ...args])}\n`)
  // This process becomes the enclave, with the environment that it was given.
  else process.execve?.(onPath(file), [file, ...args], process.env)
  return 0
}

const bundleMissing = (): string | undefined =>
  existsSync(shippedBundle) ? undefined : `no ${shippedBundle}: npm run build`

function say(text: string, code: number): number {
  process.stderr.write(text)
  return code
}

function onPath(name: string): string {
  const files = (process.env['PATH'] ?? '').split(delimiter).map(folder => join(folder, name))
  return files.find(file => existsSync(file)) ?? name
}

if (import.meta.main) {
  try {
    process.exitCode = main(process.argv.slice(2))
  } catch (error) {
    const misused = systemCode(error)?.startsWith('ERR_PARSE_ARGS') === true
    process.exitCode = say(`${error instanceof Error ? error.message : error}\n`, misused ? 64 : 1)
  }
}
