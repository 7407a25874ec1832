// All rules over one manifest. What the linter says is about the text; that a machine runs this text, and no other, is
// what the measurement in a quote is for.

import type { Manifest } from './manifest.ts'
import type { Rule, Severity } from './rule.ts'
import { fileRules } from './rules/files.ts'
import { keyRules } from './rules/keys.ts'
import { loaderRules } from './rules/loader.ts'
import { sgxRules } from './rules/sgx.ts'
import { sysRules } from './rules/sys.ts'

export interface Finding {
  readonly id: string
  readonly severity: Severity
  readonly message: string
  readonly cure: string
}

export const rules: readonly Rule[] = [...loaderRules, ...fileRules, ...sgxRules, ...sysRules, ...keyRules]

const order: readonly Severity[] = ['error', 'warning', 'note']

/** Everything that is wrong, the worst first, else in the order of the rules. */
export function lint(manifest: Manifest): readonly Finding[] {
  const found = rules.flatMap(({ id, severity, cure, find }) =>
    find(manifest).map(message => ({ id, severity, message, cure })),
  )
  return order.flatMap(severity => found.filter(finding => finding.severity === severity))
}
