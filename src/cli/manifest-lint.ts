// `postern manifest lint`: is a Gramine manifest one that an enclave can be trusted by?

import { type Finding, lint } from '../manifest/lint.ts'
import { Manifest } from '../manifest/manifest.ts'
import { readToml } from '../manifest/toml.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { readFile } from './subject.ts'

/** @returns 0 without errors, 1 with. @throws Fault 'usage', 'manifest-malformed' */
export function lintManifest({ positionals, values }: Parsed, io: Io): number {
  const file = positionals[0] ?? ''
  const findings = lint(new Manifest(readToml(readFile(file, io))))
  const clean = findings.every(({ severity }) => severity !== 'error')
  io.write(
    values['json'] === true ? `${JSON.stringify({ file, clean, findings }, undefined, 2)}\n` : shown(file, findings),
  )
  return clean ? 0 : 1
}

function shown(file: string, findings: readonly Finding[]): string {
  const count = (severity: Finding['severity']): number => findings.filter(each => each.severity === severity).length
  const lines = findings.map(({ id, severity, message, cure }) => `${severity} ${id}: ${message}\n    ${cure}\n`)
  const sum = `${count('error')} errors, ${count('warning')} warnings, ${count('note')} notes`
  return `${lines.join('')}${file}: ${sum}\n`
}
