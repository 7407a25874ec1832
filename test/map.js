// Which source files a test has to cover: its own mirror image, but for those that look at something larger.
const special = {
  'test/architecture.ts': [],
  'test/attest/challenge.ts': ['src/attest/challenge.ts', 'src/attest/peer.ts'],
  'test/attest/csr.ts': ['src/attest/csr.ts', 'src/attest/peer.ts'],
  'test/attest/flips.ts': ['src/attest/verify.ts'],
  'test/attest/intel.ts': ['src/attest/verify.ts', 'src/attest/collateral.ts'],
  'test/attest/real.ts': ['src/attest/verify.ts'],
  'test/attest/libraries.ts': ['src/attest/verify.ts'],
  'test/collateral/store.ts': ['src/collateral/store.ts', 'src/collateral/slot.ts'],
  'test/collateral/real.ts': [],
  'test/collateral/year.ts': [],
  'test/main.ts': ['src/main.ts', 'src/inject-role.ts', 'src/cli/inject-verb.ts', 'src/process.ts', 'src/version.ts'],
  'test/enclave.ts': ['src/enclave.ts', 'src/enclave-role.ts'],
  'test/build/bundle.ts': ['build/bundle.ts', 'build/budget.ts'],
  'test/build/commands.ts': [],
  'test/build/gramine.ts': [],
  'test/build/rules.ts': ['build/rules.ts'],
  'test/engine/bytes/fuzz.ts': [],
  'test/engine/bytes.ts': [
    'src/engine/bytes.ts',
    ...['client', 'exchange', 'pool', 'relay', 'tunnel', 'upload', 'upstream'].map(
      name => `src/engine/bytes/${name}.ts`,
    ),
  ],
  'test/engine/conformance.ts': [],
  'test/engine/h2.ts': [
    'src/engine/h2.ts',
    'src/engine/versions.ts',
    ...[
      'allowance',
      'answer',
      'asked',
      'call',
      'connection',
      'exchange',
      'fields',
      'reach',
      'stream-call',
      'upstream',
      'upstreams',
    ].map(name => `src/engine/h2/${name}.ts`),
    'src/engine/h2/window.ts',
  ],
  'test/engine/extended-connect.ts': [
    ...['answer', 'asked', 'connection', 'exchange', 'fields', 'http1-call', 'reach', 'tunnel-call'].map(
      name => `src/engine/h2/${name}.ts`,
    ),
  ],
  'test/engine/question.ts': [
    ...['dial', 'dial-unused', 'h2/question', 'h2/upstreams'].map(name => `src/engine/${name}.ts`),
  ],
  'test/engine/corpus.ts': [],
  'test/engine/peers.ts': [],
  'test/engine/abuse.ts': [],
  'test/engine/bridge.ts': [
    'src/engine/versions.ts',
    ...['bridge-wire', 'discovery', 'http1-call', 'reach'].map(name => `src/engine/h2/${name}.ts`),
  ],
  'test/engine/preface.ts': ['src/engine/preface.ts', 'src/engine/bytes/client.ts', 'src/engine/bytes/stream-wire.ts'],
  'test/engine/grpc.ts': [],
  'test/engine/websocket.ts': [],
  'test/engine/undici.ts': [
    'src/engine/undici.ts',
    'src/engine/switch.ts',
    ...['asked', 'early', 'exchange', 'words'].map(name => `src/engine/undici/${name}.ts`),
  ],
  'test/demo/run.ts': ['src/demo/run.ts', 'src/demo/self-signed.ts'],
  'test/gramine/render.ts': ['gramine/render.ts'],
  'test/gramine/layout.ts': ['gramine/layout.ts'],
  'test/gramine/manifest.ts': ['gramine/manifest.ts'],
  'test/gramine/direct.ts': ['gramine/direct.ts'],
  'test/function/attest.ts': ['src/function/attest.ts', 'src/function/challenges.ts'],
  'test/function/certified.ts': [],
  'test/proxy/fresh.ts': [],
  'test/identity/activator.ts': [],
  'test/identity/conformance.ts': [],
  'test/identity/vault-real.ts': [],
  'test/identity/sources/vault.ts': [
    'src/identity/sources/vault.ts',
    ...['call', 'login', 'session'].map(name => `src/identity/vault/${name}.ts`),
  ],
  'test/proxy/outage.ts': [],
  'test/proxy/rotation.ts': [],
  'test/proxy/zero-bytes.ts': [],
  'test/proxy/zero-bytes-service.ts': [],
  'test/provision/provision.ts': [
    ...['audit', 'authority', 'ca', 'decision', 'lock', 'openapi', 'provision', 'routes', 'server'].map(
      name => `src/provision/${name}.ts`,
    ),
    'src/observe/issuances.ts',
  ],
  'test/provision/attacks.ts': ['ca', 'decision', 'lock', 'routes', 'server'].map(name => `src/provision/${name}.ts`),
  'test/provision/key-file.ts': ['src/provision/key-file.ts', 'src/provision/authority.ts'],
  'test/provision/chain.ts': ['chain', 'lock', 'ca'].map(name => `src/provision/${name}.ts`),
  'test/provision/lock.ts': ['src/provision/lock.ts', 'src/provision/audit.ts'],
  'test/config/provision.ts': ['src/config/provision.ts', 'src/config/provision-shape.ts'],
  'test/cli/ca.ts': ['src/cli/ca.ts', 'src/cli/signing.ts'],
  'test/e2e/demo-provision.ts': [
    ...['askers', 'authority', 'cast', 'client', 'container', 'conversation', 'issuance', 'load', 'outage'].map(
      name => `src/demo/provision/${name}.ts`,
    ),
    ...['service', 'stage', 'tour'].map(name => `src/demo/provision/${name}.ts`),
  ],
  'test/e2e/provision.ts': [
    ...['provision-role', 'enclave-provision', 'cli/ca-verbs', 'cli/provision-verb'].map(name => `src/${name}.ts`),
    'src/cli/ca.ts',
  ],
  'test/proxy/issued.ts': ['src/proxy/issued.ts', 'src/proxy/upstream.ts', 'src/proxy/identity.ts'],
  'test/noninterference.ts': [],
  'test/gate/order.ts': ['src/gate/gate.ts'],
}

// The benchmark is measured by what it finds, not by lines.
const free = /^test\/(e2e|bench|deploy|docs)\//

export default test => special[test] ?? (free.test(test) ? [] : test.replace(/^test/, 'src'))
