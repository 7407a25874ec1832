// What the guides show can be used as it stands: policies, pods, commands by their names, paths.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { evidenceVerbs } from '../../src/cli/verbs.ts'
import { readYaml } from '../../src/cli/yaml.ts'
import { readPolicy, weaknesses } from '../../src/config/policy.ts'
import { readPolicySet, readProvisionOptions, readRevocationSet } from '../../src/config/provision.ts'
import { inject } from '../../src/inject/mutate.ts'
import { options, type Tree } from '../support/pods.ts'
import { repository } from '../support/process.ts'
import { ed25519Key } from '../support/signed.ts'

const documents = [...globSync('docs/*.md', { cwd: repository }), 'deploy/README.md'].sort()
const textOf = (path: string): string => readFileSync(join(repository, path), 'utf8')

/** Code blocks of a language. */
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, 'gm'))].map(([, block = '']) => block)

t.test('policies are accepted once their placeholders are filled in', async t => {
  const policies = documents.flatMap(path => blocks(textOf(path), 'json').filter(block => block.includes('"upstream"')))
  t.ok(policies.length > 0)
  for (const policy of policies) {
    const filled = policy.replaceAll(/<64 hex digits>/g, 'ab'.repeat(32))
    t.equal(readPolicy(Buffer.from(filled), 'guide').upstream.mode, 'attested')
  }
})

t.test("what belongs into the injector's options is accepted there", async t => {
  const parts = documents.flatMap(path => blocks(textOf(path), 'json').filter(block => block.startsWith('"sidecar"')))
  t.ok(parts.length > 0)
  for (const part of parts) {
    const changes = JSON.parse(`{ ${part.replaceAll('sha256:…', `sha256:${'0'.repeat(64)}`)} }`)
    t.match(options(changes).sidecar, { image: /^registry\.example\// })
  }
})

/** A page's example with its placeholders filled in. */
const filledIn = (text: string): string => text.replaceAll(/<(?:64 hex digits|[^>]*[dD]igest[^>]*)>/g, 'ab'.repeat(32))

t.test(
  'what the page of the attesting CA shows is accepted: options, sets, and the part of the proxy, not weak',
  async t => {
    const [given = '', policies = '', revocations = '', part = ''] = blocks(textOf('docs/provision.md'), 'json').map(
      filledIn,
    )
    const { x } = ed25519Key().jwk as { x: string }
    const options = readProvisionOptions(Buffer.from(given.replace('<43 characters>', x)), 'guide')
    t.equal(readPolicySet(Buffer.from(policies), 'guide', options).policies.length, 2)
    t.equal(readRevocationSet(Buffer.from(revocations), 'guide').serial, 4)
    const sources = '"collateral": { "sources": [ { "kind": "pcs" } ] }'
    const policy = readPolicy(
      Buffer.from(`{ "version": 1, "name": "guide", "upstream": { "mode": "plaintext" }, ${sources}, ${part} }`),
      'guide',
    )
    t.equal(policy.identity.issuer?.accept, 'ca')
    t.notMatch(weaknesses(policy).join(), 'policyDigests')
  },
)

t.test('the Deployment is patched: the proxy in front of its port, within what it asks for', async t => {
  const [deployment, service] = readYaml(Buffer.from(textOf('docs/deployment.yaml')), 'docs/deployment.yaml') as Tree[]
  const injection = inject({ kind: 'Pod', ...deployment.spec.template }, options({ sidecar: { image: 'a' } }))
  const [container, proxy] = injection.outcome === 'patched' ? (injection.pod as Tree).spec.containers : []
  t.same([container.name, proxy.name], ['cart', 'queue-proxy'])
  const values = Object.fromEntries(proxy.env.map(({ name, value }: Tree) => [name, value]))
  t.match(values, { USER_PORT: '8443', CONTAINER_CONCURRENCY: '20', SERVING_SERVICE: 'cart' })
  t.ok(
    proxy.ports.some(({ name }: Tree) => name === service.spec.ports[0].targetPort),
    'where the Service sends requests',
  )
})

t.test('YAML is YAML', async t => {
  for (const path of documents)
    for (const block of blocks(textOf(path), 'yaml')) t.ok(readYaml(Buffer.from(block), path).length > 0, path)
})

t.test("the laptop's pod is patched, with the memory that it asks for", async t => {
  const [pod] = readYaml(Buffer.from(textOf('docs/pod.yaml')), 'docs/pod.yaml')
  const injection = inject(pod as never, options())
  t.equal(
    injection.outcome === 'patched' && (injection.pod as Tree).spec.containers[1].resources.limits['sgx.intel.com/epc'],
    '384Mi',
  )
})

const verbs = ['proxy', 'demo', 'inject', ...evidenceVerbs.map(({ name }) => name)]

t.test('commands and paths exist', async t => {
  let commands = 0
  for (const path of documents) {
    for (const block of blocks(textOf(path), 'sh')) {
      for (const [, line = ''] of block.matchAll(/npx postern (.*)/g)) {
        commands++
        t.ok(
          verbs.some(verb => line === verb || line.startsWith(`${verb} `)),
          `${path}: postern ${line}`,
        )
      }
      for (const [name] of block.matchAll(/\b(?:deploy|docs|test)\/[\w./$-]*\w/g)) {
        if (!name.includes('$')) t.ok(existsSync(join(repository, name)), `${path}: ${name}`)
      }
    }
  }
  t.ok(commands > 5)
})
