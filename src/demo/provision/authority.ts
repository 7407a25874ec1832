// The attesting CA of the tour, the very command that an enclave's program is made of, as a process of its own; and its
// operator, who does what the guide says with the commands that it names.

import { type Child, postern, runCommand, startChild } from '../child.ts'
import { kid, type Stage } from './stage.ts'

export interface AuthorityPorts {
  readonly ca: number
  readonly side: number
}

/** A line of its audit log. */
export interface Audited {
  readonly event: string
  readonly role?: string
  readonly policyDigest?: string
  readonly mrenclave?: string
  readonly reasons?: readonly { readonly rule: string }[]
}

/** Resolves when it serves; locked. @throws Fault 'internal' with what it said */
export async function startAuthority(stage: Stage, { ca, side }: AuthorityPorts): Promise<Child> {
  const ports = ['--port', `${ca}`, '--side-port', `${side}`]
  const child = startChild('CA', [postern, 'provision', '--options', stage.file('options.json'), ...ports])
  await child.until('serve', () => child.lines.find(line => line.includes('"Serving"')))
  return child
}

/** @returns its exit code */
export function stopAuthority(ca: Child): Promise<number | null> {
  ca.signal('SIGTERM')
  return ca.exit
}

export function auditOf({ lines }: Child): Audited[] {
  return lines.filter(line => line.startsWith('{"audit":')).map(line => JSON.parse(line))
}

/** What `postern ca audit` says of all that it has said. */
export async function checkLog(stage: Stage, { lines }: Child): Promise<string> {
  stage.write('audit.log', lines.map(line => `${line}\n`).join(''))
  return (await runCommand(['ca', 'audit', stage.file('audit.log')])).text.trim()
}

/** The operator looks at the CA, signs for what he sees, and gives it the statement. @returns what the last command said */
export async function unlock(stage: Stage): Promise<string> {
  const state = await runCommand(['ca', 'state', ...by(stage)])
  stage.write('state.json', state.text)
  const key = ['--key', stage.file('operator.pem'), '--kid', kid]
  const signed = await runCommand(['ca', 'sign', '--state', stage.file('state.json'), ...sets(stage), ...key])
  stage.write('statement.jws', signed.text)
  return handOver(stage)
}

/** Gives the CA the statement that was signed last. */
export async function handOver(stage: Stage): Promise<string> {
  const statement = ['--statement', stage.file('statement.jws')]
  return (await runCommand(['ca', 'unlock', ...by(stage), ...statement, ...sets(stage)])).text.trim()
}

/** The member of a statement for which the CA did not take it. */
export function refusedBy(said: string): string {
  return `refused by ${/statement: ([a-z]+): want/.exec(said)?.[1] ?? said}`
}

const by = ({ file }: Stage): string[] => ['--policy', file('policy.json')]
const sets = ({ file }: Stage): string[] => [
  '--policies',
  file('policies.json'),
  '--revocations',
  file('revocations.json'),
]
