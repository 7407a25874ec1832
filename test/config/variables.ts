import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { loadPolicy, type Policy } from '../../src/config/policy.ts'
import { readProxyConfig } from '../../src/config/proxy.ts'
import { findSigned } from '../../src/config/signed/channels.ts'
import { ownVariables, requiredVariables, variables } from '../../src/config/variables.ts'
import { base, environments, type Values } from '../support/environments.ts'

const [plain, verified] = ['compatible', 'demo'].map(name => loadPolicy(name, readFileSync).policy) as [Policy, Policy]

/** Names that are asked for, whether or not the configuration can be used. */
function asked(values: Values, policy: Policy): Set<string> {
  const names = new Set<string>()
  const get = (name: string): string | undefined => {
    names.add(name)
    return Object.hasOwn(values, name) ? values[name] : undefined
  }
  findSigned(['podinfo', 'rootCa', 'configMap'], { get, readFile: () => undefined })
  try {
    readProxyConfig(get, policy)
  } catch {}
  return names
}

t.test('exactly these are read', async t => {
  t.same([...asked(base, plain)].toSorted(), [...variables].toSorted())
  t.equal(new Set(variables).size, variables.length)
})

t.test('and no other, whatever the environment says', async t => {
  const known = new Set(variables)
  fc.assert(
    fc.property(environments, fc.constantFrom(plain, verified), (values, policy) => {
      t.same(
        [...asked(values, policy)].filter(name => !known.has(name)),
        [],
      )
    }),
    { numRuns: 300 },
  )
})

t.test('exactly the required ones keep the proxy from starting', async t => {
  const starts = (without: string): boolean => {
    try {
      readProxyConfig(name => (name === without ? undefined : base[name]), plain)
      return true
    } catch {
      return false
    }
  }
  t.same(variables.filter(name => !starts(name)).toSorted(), [...requiredVariables].toSorted())
})

t.test('ours say so, and none steers Node', async t => {
  t.same(
    variables.filter(name => name.startsWith('POSTERN_')),
    [...ownVariables],
  )
  t.same(
    variables.filter(
      name => !/^(POSTERN|SERVING|QUEUE|REVISION|ENABLE|USER_PORT|CONTAINER_CONC|OBSERV|TRACING|ROOT_CA)/.test(name),
    ),
    [],
  )
})
