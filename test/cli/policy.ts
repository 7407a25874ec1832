import { writeFileSync } from 'node:fs'
import t from 'tap'
import { checkPolicy } from '../../src/cli/policy.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { command } from '../support/cli.ts'

const hex = 'ab'.repeat(32)
const attested = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }

function write(folder: string, part: object): string {
  writeFileSync(`${folder}/p.json`, JSON.stringify({ version: 1, name: 'mine', ...part }))
  return `${folder}/p.json`
}

t.test('a usable policy is shown with its digest, dangers and weaknesses', async t => {
  const { code, text } = await command(['policy', 'check', 'compatible'])
  t.equal(code, 0)
  t.match(
    text,
    /^Policy compatible: usable\n {4}Digest: {6}[0-9a-f]{64}\n {4}Dangers: {5}identity\.dangerAcceptForeignKey\n/,
  )
  t.match(text, /upstream\.mode=plaintext\n/)
  const file = write(t.testdir(), { upstream: { mode: 'pinned', pins: [`sha256/${'A'.repeat(43)}=`] } })
  t.match((await command(['policy', 'check', file])).text, /Dangers: {5}none/)
})

t.test('as JSON', async t => {
  const { text } = await command(['policy', 'check', 'demo', '--json'])
  t.match(JSON.parse(text), {
    usable: true,
    digest: /^[0-9a-f]{64}$/,
    dangers: ['dangerSyntheticRoot'],
    complaint: null,
  })
})

t.test('one that cannot be used: every complaint, exit 1', async t => {
  const file = write(t.testdir(), { upstream: { mode: 'plaintext', clientCertificate: true }, extra: 1, hosts: [1] })
  const { code, text } = await command(['policy', 'check', file])
  t.equal(code, 1)
  t.match(text, /\/extra: want no such key, got 1; \/hosts\/0: /)
  const asJson = await command(['policy', 'check', 'confidential', '--json'])
  t.match([asJson.code, JSON.parse(asJson.text)], [1, { usable: false, complaint: /accepts nobody/ }])
  t.match(await command(['policy', 'explain', file]), { code: 1, text: /\/extra/ })
})

t.test('one that starts and can accept nobody for want of collateral', async t => {
  const file = write(t.testdir(), { upstream: attested, peers: { app: { enclaves: [{ mrenclave: hex }] } } })
  t.match((await command(['policy', 'check', file])).text, /collateral\.sources is empty/)
  t.match((await command(['policy', 'explain', file])).text, /No collateral is named, so nobody is accepted\./)
})

t.test('an error of ours is no complaint', async t => {
  const io = {
    readFile: () => new Uint8Array(),
    write: () => {
      throw new TypeError('broken pipe')
    },
    warn: () => {},
    now: () => 0,
  }
  t.throws(() => checkPolicy({ verb: '', values: {}, positionals: ['demo'] }, io), TypeError)
})

const explained: [name: string, part: object, sentences: RegExp[]][] = [
  [
    'an attested one with everything',
    {
      service: 'spiffe://c1/ns/shop/svc/cart',
      hosts: ['a.example', 'b.example'],
      limits: { concurrency: 3 },
      inbound: { strip: [] },
      upstream: attested,
      peers: {
        app: {
          enclaves: [
            { mrenclave: hex, until: '2027-03-01T00:00:00Z' },
            { mrsigner: hex, isvProdId: 1, minIsvSvn: 3 },
          ],
          tcb: {
            profile: 'swHardeningOk',
            advisories: ['INTEL-SA-00615'],
            minEvaluationDataNumber: { tcbInfo: 17, qeIdentity: 18 },
          },
          platforms: ['00'.repeat(16)],
          policyDigests: [hex],
          dangerAllowDebug: true,
        },
      },
      collateral: { sources: [{ kind: 'directory', at: '/c' }], maxAgeSeconds: 60, evaluationDataNumber: 19 },
    },
    [
      /^It is for spiffe:\/\/c1\/ns\/shop\/svc\/cart alone; a start under another name fails\.$/m,
      /^The service is called by a\.example, b\.example\.$/m,
      /^The container takes at most 3 requests at once\.$/m,
      /^All headers pass\.$/m,
      /^ {2}- measurement (ab){32}, until 2027-03-01T00:00:00Z$/m,
      /^ {2}- product 1 of signer (ab){32}, version 3 and above$/m,
      /may need software hardening for INTEL-SA-00615\./,
      /Floor of tcbInfo: 17\.\nFloor of qeIdentity: 18\./,
      /Only 1 known machine\(s\) count\./,
      /under one of 1 known policies\./,
      /Debug enclaves are accepted, DANGEROUSLY\./,
      /comes from directory \/c and may be 60 s old\./,
      /^Its evaluation data is number 19\.$/m,
    ],
  ],
  [
    'one that takes old platforms',
    {
      upstream: attested,
      peers: { app: { enclaves: [{ mrenclave: hex }], tcb: { profile: 'dangerOutOfDate' } } },
      collateral: {
        sources: [{ kind: 'directory', at: '/c' }, { kind: 'pcs' }, { kind: 'stapled' }],
        update: 'early',
        dangerPastNextUpdateSeconds: 172_800,
      },
    },
    [
      /out of date in any way, DANGEROUSLY\./,
      /directory \/c, then pcs https:\/\/api\.trustedservices\.intel\.com, then the peer itself and holds for as long as it says\.$/m,
      /^Its evaluation data is early\.$/m,
      /used for 2 days after its next update, DANGEROUSLY/,
    ],
  ],
  [
    'one with hardening for nothing',
    { upstream: attested, peers: { app: { enclaves: [{ mrenclave: hex }], tcb: { profile: 'swHardeningOk' } } } },
    [/software hardening for nothing\./],
  ],
  [
    'one with a CA',
    { upstream: { mode: 'ca', ca: { bundle: syntheticRootPem, san: 'a.example' } } },
    [/a certificate for a\.example from 1 given CA/],
  ],
  ['one with pins', { upstream: { mode: 'pinned', pins: [`sha256/${'A'.repeat(43)}=`] } }, [/one of 1 pinned key/]],
]
for (const [name, part, sentences] of explained) {
  t.test(`explained: ${name}`, async t => {
    const { code, text } = await command(['policy', 'explain', write(t.testdir(), part)])
    t.equal(code, 0)
    t.match(text, /^Policy "mine", digest [0-9a-f]{64}\n\n/)
    for (const sentence of sentences) t.match(text, sentence)
  })
}

t.test('explained: the shipped ones', async t => {
  const compatible = (await command(['policy', 'explain', 'compatible'])).text
  for (const line of [
    /plain ports serve requests/,
    /without proof, over plain TCP/,
    /Anything may be logged/,
    /mounted certificate/,
    /TLSv1\.2/,
  ]) {
    t.match(compatible, line)
  }
  t.match((await command(['policy', 'explain', 'demo'])).text, /Evidence is SYNTHETIC: no hardware stands behind it\./)
})

t.test('the attesting CA and what it vouches for are told', async t => {
  const file = write(t.testdir(), {
    identity: { source: 'provision', provision: { url: 'https://ca.example:8443', accept: 'ca' } },
    upstream: { mode: 'attested', trust: 'measurement', accept: 'ca' },
    peers: { ca: { enclaves: [{ mrenclave: hex }] } },
  })
  const { text } = await command(['policy', 'explain', file])
  t.match(text, /attesting CA at ca\.example:8443, which must be one of ca by its own evidence\./)
  t.match(text, /must have issued its certificate to our service, for a day at most/)
  t.match(text, /Another service's copy of the same enclave, or one on another machine, is as good\./)
  const strong = write(t.testdir(), {
    service: 'spiffe://c1.example.org/ns/shop/svc/cart',
    identity: { source: 'provision', provision: { url: 'https://ca.example:8443', accept: 'ca' } },
    upstream: { mode: 'attested', accept: 'ca' },
    peers: { ca: { enclaves: [{ mrenclave: hex }] } },
  })
  t.match((await command(['policy', 'explain', strong])).text, /a container of our service, on the machine that we are/)
})

t.test('Vault is told, and whether our evidence is in what it signs', async t => {
  const told = async (evidence: boolean): Promise<string> => {
    const vault = {
      url: 'https://vault.example:8200',
      server: { accept: 'app' },
      login: { jwt: { role: 'postern', file: '/token' } },
      pki: { role: 'proxy', evidence },
    }
    const identity = { source: 'vault', allowUnattestedIssuer: true, vault }
    const peers = { app: { enclaves: [{ mrenclave: hex }] } }
    const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
    return (await command(['policy', 'explain', write(t.testdir(), { identity, peers, upstream })])).text
  }
  t.match(await told(true), /signed by Vault or OpenBao at vault\.example:8200, with our evidence in it\./)
  t.match(await told(false), /, without our evidence in it\./)
})
