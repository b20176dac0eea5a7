import type { ComponentChildren } from 'preact'

/** A table that scrolls by itself where it is wider than the page, and can be reached by keyboard for that. */
export function Table({
  name,
  head,
  rows,
  numeric = [],
}: {
  name: string
  head: readonly string[]
  rows: readonly (readonly ComponentChildren[])[]
  numeric?: readonly number[]
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard (WCAG 2.1.1)
    <section class="wide" tabIndex={0} aria-label={name}>
      <table>
        <thead>
          <tr>
            {head.map((text, i) => (
              <th key={text} scope="col" class={numeric.includes(i) ? 'n' : ''}>
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>
              {row.map((cell, i) => (
                <td key={i} class={numeric.includes(i) ? 'n' : ''}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
