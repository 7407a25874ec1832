import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type RenderInput, renderManifest } from '../../gramine/render.ts'
import { compatible, demo } from '../../src/config/policies.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { variables } from '../../src/config/variables.ts'
import { lint } from '../../src/manifest/lint.ts'
import { Manifest } from '../../src/manifest/manifest.ts'
import { readToml } from '../../src/manifest/toml.ts'

const text = (name: string): string => readFileSync(new URL(`../../gramine/${name}`, import.meta.url), 'utf8')
const profiles = { edmm: text('profile-edmm.toml'), noEdmm: text('profile-no-edmm.toml') }
const nodeFlags: string[] = JSON.parse(text('../build/node-flags.json'))
const enclaves = [{ mrenclave: 'ab'.repeat(32) }]
const policyOf = (changes: object = {}): Uint8Array => {
  const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
  return Buffer.from(JSON.stringify({ version: 1, name: 'mine', upstream, peers: { app: { enclaves } }, ...changes }))
}
const collateral = (...folders: string[]): object => ({
  collateral: { sources: folders.map(at => ({ kind: 'directory', at })) },
})

function render(changes: Partial<RenderInput> = {}): string {
  return renderManifest({
    template: text('postern.manifest.template'),
    profile: profiles.edmm,
    role: 'proxy',
    svn: 1,
    nodeFlags,
    policy: policyOf(),
    policyFile: 'mine.json',
    bundle: Buffer.from('the program'),
    ...changes,
  })
}
const manifestOf = (rendered: string): Manifest => new Manifest(readToml(Buffer.from(rendered)))
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

t.test('with and without EDMM, nothing is found but that libraries have no hash yet', async t => {
  for (const [name, profile] of Object.entries(profiles)) {
    const found = lint(manifestOf(render({ profile })))
    t.same(
      found.map(({ id, message }) => [id, message]),
      [['trusted-unhashed', '12 of 14 trusted files have no hash yet']],
      name,
    )
  }
})

t.test('names are looked up only for a service that the policy names by one, and lint says so', async t => {
  const rows: [at: string, want: boolean][] = [
    ['https://pccs.example:8081', true],
    ['https://10.0.0.7:8081', false],
    ['https://[fd00::7]:8081', false],
  ]
  for (const [at, want] of rows) {
    const policy = policyOf({ collateral: { sources: [{ kind: 'pccs', at }, { kind: 'stapled' }] } })
    const manifest = manifestOf(render({ policy }))
    t.equal(manifest.get('sys.enable_extra_runtime_domain_names_conf'), want, at)
    t.equal(
      lint(manifest).some(({ id }) => id === 'names-from-host'),
      want,
    )
  }
})

t.test('the host sets exactly the variables that are read', async t => {
  t.same([...manifestOf(render()).passthrough].toSorted(), [...variables].toSorted())
})

t.test('the command line, product and version are measured; program and policy by their hashes', async t => {
  const policy = policyOf()
  const manifest = manifestOf(render({ svn: 7, policy }))
  t.same(manifest.argv, ['node', ...nodeFlags, '/app/enclave.js', '--policy', '/app/policy.json'])
  t.same([manifest.get('sgx.isvprodid'), manifest.get('sgx.isvsvn')], [1, 7])
  const hash = (path: string) => manifest.trusted.find(({ host }) => host === path)?.sha256
  t.equal(hash('/app/enclave.js'), sha256(Buffer.from('the program')))
  t.equal(hash('/app/policy.json'), sha256(policy))
  t.match(render(), `digest ${Buffer.from(policyDigest(policy)).toString('hex')}`)
})

t.test('every byte of policy and program, and the profile, is another manifest', async t => {
  const spaced = Buffer.concat([policyOf(), Buffer.from(' ')])
  const all = [
    render(),
    render({ policy: spaced }),
    render({ bundle: Buffer.from('x') }),
    render({ profile: profiles.noEdmm }),
  ]
  t.equal(new Set(all).size, all.length)
  t.equal(render(), render(), 'and the same input the same one')
})

t.test('no insecure key, no debug, no code that the host may give', async t => {
  const rendered = render()
  t.notMatch(rendered.replace(/^#.*$/gm, ''), /insecure|NODE_OPTIONS|debug = true/)
  t.same(manifestOf(rendered).allowed, [
    '/etc/podinfo/',
    '/etc/postern/',
    '/var/lib/knative/certs/',
    '/var/run/secrets/tokens/',
    '/var/run/secrets/kubernetes.io/serviceaccount/',
  ])
})

t.test('a folder of collateral that the policy names is mounted and allowed, with a warning', async t => {
  const manifest = manifestOf(
    render({ policy: policyOf(collateral('/var/lib/postern/collateral/', '/var/lib/postern/collateral')) }),
  )
  t.equal(manifest.allowed.filter(path => path === '/var/lib/postern/collateral/').length, 1)
  t.equal(manifest.hostPath('/var/lib/postern/collateral/root.crl'), '/var/lib/postern/collateral/root.crl')
  t.same(
    lint(manifest).map(({ id }) => id),
    ['allowed-other', 'trusted-unhashed'],
  )
})

const refused: [name: string, policy: Uint8Array, message: RegExp][] = [
  ['what is no policy', Buffer.from('{}'), /^policy mine\.json: /],
  ['synthetic evidence', Buffer.from(demo), /dangerSyntheticRoot: not in an enclave/],
  [
    'collateral beside the program',
    policyOf(collateral('collateral')),
    /not be sound:\nallowed-code: \/app\/collateral\//,
  ],
  ['collateral above everything', policyOf(collateral('/')), /allowed-code: /],
  ['collateral in the place of quotes', policyOf(collateral('/dev/attestation')), /mount-pseudo: /],
  ['collateral among trust anchors', policyOf(collateral('/etc/ssl/certs')), /allowed-trust: /],
  ['a template in a path', policyOf(collateral('/x/{{env.HOME}}')), /^\/collateral\/sources: .*letters, digits/],
  ['a path that ends its string', policyOf(collateral('/x"]')), /^\/collateral\/sources: /],
]
for (const [name, policy, message] of refused) {
  t.test(`refuses ${name}`, async t => {
    t.throws(() => render({ policy }), { code: 'policy-invalid', message })
  })
}

t.test('a plaintext policy is the operator’s to choose', async t => {
  t.equal(lint(manifestOf(render({ policy: Buffer.from(compatible) }))).length, 1)
})

t.test('a template and its values fit, or nothing is rendered', async t => {
  const template = text('postern.manifest.template')
  t.throws(() => render({ template: `${template}# {{ more }}\n` }), {
    message: /^template: nothing is known about {{ more }}$/,
  })
  t.throws(() => render({ template: template.replace('{{ svn }}', '1') }), { message: /^template: no place for svn$/ })
})

t.test('dangerous options of Node are refused', async t => {
  t.throws(() => render({ nodeFlags: [...nodeFlags, '--inspect'] }), {
    message: /argv-dangerous: loader\.argv has --inspect/,
  })
})

t.test(
  "the attesting CA's has a product number of its own, its options in argv, and nothing of the host's environment",
  async t => {
    const { publicKey } = generateKeyPairSync('ed25519')
    const options = {
      version: 1,
      name: 'acme',
      trustDomain: 'c1.example.org',
      operators: [{ kid: 'ops', jwk: publicKey.export({ format: 'jwk' }) }],
      peers: { app: { enclaves } },
      ...collateral('/collateral'),
    }
    const rendered = render({ role: 'provision', policy: Buffer.from(JSON.stringify(options)) })
    const manifest = manifestOf(rendered)
    t.equal(manifest.get('sgx.isvprodid'), 2)
    t.same((manifest.get('loader.argv') as string[]).slice(-3), ['/app/enclave.js', '--options', '/app/policy.json'])
    t.notMatch(rendered, /^loader\.env\..*passthrough/m)
    t.notMatch(rendered, /encrypted/)
    const kept = { ...options, key: { source: 'sealed', sealedTo: 'mrsigner', folder: '/var/lib/ca' } }
    const sealed = manifestOf(render({ role: 'provision', policy: Buffer.from(JSON.stringify(kept)) }))
    t.same((sealed.get('loader.argv') as string[]).slice(-2), ['--sealed', 'mrsigner:/var/lib/ca'])
    t.match(sealed.mountOf('/var/lib/ca/ca.key'), { type: 'encrypted', host: '/var/lib/ca', keyName: '_sgx_mrsigner' })
    t.equal(sealed.hostPath('/var/lib/ca/ca.key'), undefined)
    const onProgram = Buffer.from(JSON.stringify({ ...options, key: { source: 'sealed', folder: '/app' } }))
    t.throws(() => render({ role: 'provision', policy: onProgram }), { message: /program-unmeasured/ })
    t.equal(manifestOf(render()).get('sgx.isvprodid'), 1)
  },
)

t.test('a CA by its name has to be looked up', async t => {
  const at = (url: string): unknown => {
    const identity = { source: 'provision', provision: { url, accept: 'app' } }
    return manifestOf(render({ policy: policyOf({ identity }) })).get('sys.enable_extra_runtime_domain_names_conf')
  }
  t.equal(at('https://provision.postern.svc:8443'), true)
  t.equal(at('https://10.0.0.7:8443'), false)
})
