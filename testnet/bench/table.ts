export interface Row {
  what: string
  result: string
  conditions: string
}

/** A table of plain text with aligned columns. */
export function table(rows: readonly Row[]): string {
  const width = (pick: (row: Row) => string): number => Math.max(...rows.map(row => pick(row).length))
  const what = width(row => row.what)
  const result = width(row => row.result)
  return rows.map(row => `${row.what.padEnd(what)}  ${row.result.padStart(result)}  ${row.conditions}`).join('\n')
}

/** The value below which a share of the sorted samples lies (nearest rank). */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}
