/** Custodians that did not do as they should, in words. */
import type { CustodianFailure } from '../src/client/standings.ts'
import { printable } from './format.ts'

/** Each custodian once, with the codes of what it did: "Nairobi Hospital (corrupt-fragment)". */
export function namedFailures(failures: readonly Pick<CustodianFailure, 'name' | 'code'>[]): string {
  const byName = new Map<string, Set<string>>()
  for (const { name, code } of failures) byName.set(name, (byName.get(name) ?? new Set()).add(code))
  return [...byName].map(([name, codes]) => `${printable(name)} (${[...codes].join(', ')})`).join(', ')
}
