// Lays out the file tree of an image: `node gramine/layout.ts plain|bench|enclave FOLDER`. The Dockerfile calls it, and so
// does a test, which runs the proxy from the tree where there is no Docker. Everything in a tree is listed here: there is
// no shell in it, no package manager, and nothing that the program does not need.
//
// Beside the sources it needs what `npm run build` makes, and for `enclave` what `npm run manifest` makes.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compatible } from '../src/config/policies.ts'
import { kubernetesMounts } from '../src/manifest/rules/files.ts'

export const targets = ['plain', 'bench', 'enclave'] as const
export type Target = (typeof targets)[number]

/** Nobody in particular, and not root; as in the manifest. */
const user = 65532

/** What the C library asks for: who we are, and that names come from files. */
const etc: Readonly<Record<string, string>> = {
  passwd: `postern:x:${user}:${user}::/:/sbin/nologin\n`,
  group: `postern:x:${user}:\n`,
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'nsswitch.conf': 'hosts: files dns\n',
}

/** Not needed to run. */
const forPeople = /\.(?:d\.[cm]?ts|map|md|markdown)$/

/** @param root of the repository. @param into a folder that is empty or does not exist yet */
export function layOut(root: string, target: Target, into: string): void {
  const from = (path: string): string => join(root, path)
  const to = (path: string): string => join(into, path)
  mkdirSync(into, { recursive: true })
  if (readdirSync(into).length > 0) throw new Error(`layout: ${into} is not empty; name a new folder`)

  for (const folder of ['/tmp', ...kubernetesMounts]) mkdirSync(to(folder), { recursive: true })
  chmodSync(to('/tmp'), 0o1777)
  // What the enclave sees as /etc is measured; what lies around it is Gramine's image, and keeps its own.
  const names = target === 'enclave' ? '/app/etc' : '/etc'
  for (const [name, text] of Object.entries(etc)) {
    mkdirSync(to(names), { recursive: true })
    writeFileSync(to(`${names}/${name}`), text)
  }
  copyNode(to('/usr/bin/node'))
  place(from('LICENSE'), to('/app/LICENSE'))

  // No package.json there: Node would look at it and, as it is not measured, get EACCES and end.
  if (target === 'enclave') {
    place(from('dist/enclave.js'), to('/app/enclave.js'))
    for (const name of ['policy.json', 'postern.manifest.toml', 'sign.sh']) {
      place(from(`dist/enclave/${name}`), to(`/app/${name}`))
    }
    return
  }
  place(from('package.json'), to('/app/package.json'))
  if (target === 'plain') {
    place(from('dist/enclave.js'), to('/app/proxy.js'))
    writeFileSync(to('/app/compatible.json'), compatible)
  }
  for (const library of librariesOf(process.execPath)) place(library, to(library))
  for (const folder of target === 'bench' ? ['dist/src', 'dist/bench'] : ['dist/src'])
    copy(from(folder), to(`/app/${folder}`))
  for (const path of productionPackages(from('package-lock.json'))) copy(from(path), to(`/app/${path}`))
}

/** Where a file goes, its folder is made. */
function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

/** A folder with what is needed to run, without packages that lie inside it: those are named by themselves. */
function copy(from: string, to: string): void {
  const wanted = (path: string): boolean => !forPeople.test(path) && !path.slice(from.length).includes('/node_modules')
  cpSync(from, to, { recursive: true, filter: wanted })
}

/** The Node that runs this, which `npm ci` chose by the lock file; without its symbols where there is a strip. */
function copyNode(to: string): void {
  place(process.execPath, to)
  spawnSync('strip', ['--strip-unneeded', to])
  chmodSync(to, 0o755)
}

/** Shared libraries, and what loads them, by the paths at which they are looked for. */
function librariesOf(program: string): readonly string[] {
  const { stdout, status } = spawnSync('ldd', [program], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`layout: ldd ${program} failed; this needs Linux with glibc`)
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path = '']) => path)
}

/** Folders of the packages that the lock file has for running, but for Node's own. */
function productionPackages(lock: string): readonly string[] {
  const { packages } = JSON.parse(readFileSync(lock, 'utf8')) as { packages: Record<string, { dev?: boolean }> }
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && !/^node_modules\/node-linux-/.test(path))
    .map(([path]) => path)
}

if (import.meta.main) {
  const [name, into] = process.argv.slice(2)
  const target = targets.find(each => each === name)
  if (target === undefined || into === undefined) {
    process.stderr.write(`usage: node gramine/layout.ts ${targets.join('|')} FOLDER\n`)
    process.exitCode = 64
  } else layOut(fileURLToPath(new URL('..', import.meta.url)), target, into)
}
