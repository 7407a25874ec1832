// A result as Markdown, for READMEs and issues.

import type { Result } from '../result.ts'
import { type Cells, markdownTable } from './format.ts'
import { method } from './method.ts'
import { checkTable, controlTable, exitTable, groupTable, ladderTable, syscallTable } from './tables.ts'
import { targetTable } from './targets.ts'
import { View } from './view.ts'
import { summary, warnings } from './words.ts'

export function markdown(result: Result): string {
  const view = new View(result)
  const { machine, skipped } = result
  const titled = (title: string, table: readonly Cells[]): string[] =>
    table.length > 1 ? [`**${title}**`, markdownTable(table)] : []
  return [
    ...warnings(view).map(text => `> ${text}`),
    summary(view).join(' '),
    `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, Node ${machine.node}, commit ${machine.commit.slice(0, 12)}, ${result.date.slice(0, 10)}. Medians with 95 % intervals.`,
    ...titled('Targets of the engine bytes', targetTable(view)),
    ...view.groups.flatMap(group => titled(`${group.title}: ${group.scenario.summary}`, groupTable(view, group))),
    ...titled('The ladder', ladderTable(view)),
    ...titled('Control', controlTable(view)),
    ...titled('Other generators, on the same load', checkTable(view)),
    ...titled('System calls per request', syscallTable(view)),
    ...titled('Exits of an enclave: arithmetic, not a measurement', exitTable(view)),
    ...method(result),
    ...(skipped.length > 0 ? [skipped.map(({ what, why }) => `- left out: ${what}: ${why}`).join('\n')] : []),
    '',
  ].join('\n\n')
}
