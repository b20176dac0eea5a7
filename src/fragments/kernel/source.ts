/**
 * AssemblyScript source of the Galois-field kernel. One function per number of output rows, so that all outputs stay in
 * registers while each input is read once; products come from two 16-entry tables per coefficient, one per nibble, which a
 * byte shuffle looks up sixteen at a time (Plank, Greenan and Miller, "Screaming Fast Galois Field Arithmetic Using Intel
 * SIMD Instructions", FAST 2013).
 */

/** Most output rows that one call computes. */
export const MAX_KERNEL_ROWS = 6

/** Longest step of a kernel in bytes: it may read and write up to the next multiple of it. */
export const KERNEL_STEP = 64

/** 16-byte columns per step: fewer rows leave registers for more columns. */
function columns(rows: number): number {
  return rows <= 2 ? 4 : 2
}

function kernel(rows: number, relaxed: boolean): string {
  // Indices are nibbles, always below 16, where both instructions are defined and equal; the relaxed one needs no masking.
  const lookup = relaxed ? 'i8x16.relaxed_swizzle' : 'i8x16.swizzle'
  const width = columns(rows)
  const eachRow = Array.from({ length: rows }, (_, row) => row)
  const eachColumn = Array.from({ length: width }, (_, column) => column)
  const lines: string[] = []
  lines.push(`export function multiply${rows}(inputs: usize, count: i32, outputs: usize, tables: usize, length: i32): void {`)
  lines.push('  const low = i8x16.splat(15)')
  for (const r of eachRow) lines.push(`  const output${r}: usize = load<u32>(outputs + ${4 * r})`)
  lines.push('  const end: usize = inputs + ((<usize>count) << 2)')
  lines.push(`  for (let offset: usize = 0; offset < <usize>length; offset += ${16 * width}) {`)
  for (const r of eachRow) for (const c of eachColumn) lines.push(`    let sum${r}_${c} = i8x16.splat(0)`)
  lines.push('    let table: usize = tables')
  lines.push('    for (let input: usize = inputs; input < end; input += 4) {')
  lines.push('      const source: usize = <usize>load<u32>(input) + offset')
  for (const c of eachColumn) {
    lines.push(`      const bytes${c} = v128.load(source, ${16 * c})`)
    lines.push(`      const low${c} = v128.and(bytes${c}, low)`)
    lines.push(`      const high${c} = i8x16.shr_u(bytes${c}, 4)`)
  }
  for (const r of eachRow) {
    lines.push(`      const lowTable${r} = v128.load(table, ${32 * r})`)
    for (const c of eachColumn) lines.push(`      sum${r}_${c} = v128.xor(sum${r}_${c}, ${lookup}(lowTable${r}, low${c}))`)
    lines.push(`      const highTable${r} = v128.load(table, ${32 * r + 16})`)
    for (const c of eachColumn) lines.push(`      sum${r}_${c} = v128.xor(sum${r}_${c}, ${lookup}(highTable${r}, high${c}))`)
  }
  lines.push(`      table += ${32 * rows}`)
  lines.push('    }')
  for (const r of eachRow) for (const c of eachColumn) lines.push(`    v128.store(output${r} + offset, sum${r}_${c}, ${16 * c})`)
  lines.push('  }')
  lines.push('}')
  return lines.join('\n')
}

/** Source of a module that exports `multiply1` to `multiply6` and imports its memory. */
export function kernelSource(options: { relaxed: boolean }): string {
  return `${Array.from({ length: MAX_KERNEL_ROWS }, (_, i) => kernel(i + 1, options.relaxed)).join('\n\n')}\n`
}
