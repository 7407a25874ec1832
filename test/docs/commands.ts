// Every command of the guides: run here as it stands, or by the test that is named, or marked as one that was not run because it
// needs a cluster, Docker or somebody's machine.

import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { variants } from '../support/deploy.ts'
import { postern, repository } from '../support/process.ts'

const guides = [...globSync('docs/*.md', { cwd: repository }), 'deploy/README.md'].sort()
const textOf = (path: string): string => readFileSync(join(repository, path), 'utf8')

/** Commands of a page: lines of its sh blocks; those that go on below, loops and here-documents whole. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map(([, block = '']) => block)
  const whole = /^for .*\n(?:.*\n)*?done|^.*<<END.*\n(?:.*\n)*?END|^(?:.*\\\n)*.+/gm
  return blocks.flatMap(block => [...block.matchAll(whole)].map(([command]) => command))
}

const marked = /# (?:AKS|cluster|Docker)\b/
/** What a reader puts in: a name in capitals. */
const placeholder = /(?:^|[\s:/])[A-Z]{2,}(?:\b|$)/
/** Run by other tests, or about the reader's own machine. */
const elsewhere: readonly [command: RegExp, by: string][] = [
  [/^npm (?:ci|start -- --exit)$/, 'test/e2e/demo.ts'],
  [/^npm start -- --identity provision --exit$/, 'test/e2e/demo-provision.ts'],
  [/^kubectl (?:create configmap|label --local) /, 'test/deploy/trust-bundle.ts'],
  [/^ls -l \/dev\/sgx_enclave/, "the reader's node"],
  [/my-policy\.json/, "the reader's own file"],
]
const rendered = /^kubectl kustomize (\S+)/
const ours = /^npx postern /
const certificate = /^(?:openssl|printf) /

t.test('every command is run, or says why not', async t => {
  let commands = 0
  for (const guide of guides) {
    for (const command of commandsOf(textOf(guide))) {
      commands++
      const known =
        marked.test(command) ||
        (ours.test(command) && !placeholder.test(command)) ||
        certificate.test(command) ||
        Object.values(variants).includes(rendered.exec(command)?.[1] ?? '') ||
        elsewhere.some(([pattern]) => pattern.test(command))
      t.ok(known, `${guide}: ${command}: run it in a test, or mark it (# cluster)`)
    }
  }
  t.ok(commands > 40, `${commands} commands`)
})

const runnable = guides.flatMap(guide =>
  commandsOf(textOf(guide))
    .filter(command => ours.test(command) && !marked.test(command) && !placeholder.test(command))
    .filter(command => !elsewhere.some(([pattern]) => pattern.test(command)))
    .map(command => command.replace(/ +# .*$/, '')),
)

for (const command of new Set(runnable)) {
  t.test(command, async t => {
    const line = command.replace(/^npx postern/, `"${process.execPath}" "${postern}"`)
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd: repository, encoding: 'utf8' })
    t.equal(status, 0, stderr)
    t.ok(stdout.length > 100, 'and says something')
  })
}

t.test('there are some', async t => t.ok(new Set(runnable).size >= 7))

const skip = spawnSync('openssl', ['version']).status !== 0 && 'SKIPPED: openssl is not installed'
t.test(
  'the certificate without cert-manager is for the injector, under the CA that is made with it',
  { skip },
  async t => {
    const folder = t.testdir({})
    const run = (line: string) => spawnSync('sh', ['-c', line], { cwd: folder, encoding: 'utf8' })
    for (const command of commandsOf(textOf('deploy/README.md')).filter(each => certificate.test(each))) {
      const { status, stderr } = run(command)
      t.equal(status, 0, stderr)
    }
    const check = 'openssl verify -CAfile ca.crt -verify_hostname postern-inject.postern-system.svc tls.crt'
    t.match(run(check).stdout, /tls\.crt: OK/)
  },
)
