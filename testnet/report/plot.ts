/** Plots as SVG, inline in a page: lines over time, with marks where something was done. */

export interface Series {
  name: string
  /** A CSS colour. */
  colour: string
  /** A value for each second; null leaves a gap. */
  values: readonly (number | null)[]
}

const WIDTH = 720
const HEIGHT = 160
const LEFT = 48
const BOTTOM = 24
const TOP = 8

/** A plot over the seconds of a run. @param marks seconds at which something was done */
export function plot(title: string, unit: string, series: readonly Series[], marks: readonly number[]): string {
  const length = Math.max(1, ...series.map(({ values }) => values.length))
  const most = niceAbove(Math.max(1, ...series.flatMap(({ values }) => values.filter(value => value !== null))))
  const x = (second: number): number => LEFT + (second / Math.max(1, length - 1)) * (WIDTH - LEFT - 8)
  const y = (value: number): number => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM)
  const lines = series.map(({ colour, values }) => `<path fill="none" stroke="${colour}" stroke-width="1.5" d="${pathOf(values, x, y)}"/>`)
  const grid = [0, 0.5, 1].map(share => {
    const at = y(share * most)
    return `<path class="grid" d="M${LEFT} ${at}H${WIDTH - 8}"/><text x="${LEFT - 6}" y="${at + 4}" text-anchor="end">${format(share * most)}</text>`
  })
  const acts = marks
    .filter(second => second >= 0 && second < length)
    .map(second => `<path class="mark" d="M${x(second).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}"/>`)
  const ends = `<text x="${LEFT}" y="${HEIGHT - 6}">0 s</text><text x="${WIDTH - 8}" y="${HEIGHT - 6}" text-anchor="end">${length - 1} s</text>`
  const key = series.map(({ name, colour }) => `<span><i style="background:${colour}"></i>${name}</span>`).join('')
  return `<figure><figcaption>${title}, ${unit}<span class="key">${key}</span></figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}, ${unit}: up to ${format(most)} within ${length} seconds">${grid.join('')}${acts.join('')}${lines.join('')}${ends}</svg></figure>`
}

function pathOf(values: readonly (number | null)[], x: (second: number) => number, y: (value: number) => number): string {
  let path = ''
  let isOpen = false
  for (const [second, value] of values.entries()) {
    if (value !== null) path += `${isOpen ? 'L' : 'M'}${x(second).toFixed(1)} ${y(value).toFixed(1)}`
    isOpen = value !== null
  }
  return path
}

/** The next of 1, 2, 5, 10, 20 ... */
export function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= value) as number
}

function format(value: number): string {
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1)
}
