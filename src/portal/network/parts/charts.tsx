import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'

const HEIGHT = 150

interface ChartProps {
  title: string
  unit: string
  names: readonly string[]
  colours: readonly string[]
  data: uPlot.AlignedData
  /** When something was done, in s. */
  marks: readonly number[]
  language: string
}

function Chart({ title, unit, names, colours, data, marks, language }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)
  const acts = useRef(marks)
  acts.current = marks
  useEffect(() => {
    const box = place.current
    if (box === null) return
    const ink = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name)
    const axis = { stroke: () => ink('--dim'), grid: { stroke: () => ink('--line'), width: 1 }, ticks: { show: false } }
    const made = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        axes: [{ ...axis }, { ...axis, size: 44 }],
        series: [{}, ...names.map((label, i) => ({ label, stroke: () => ink(colours[i] as string), width: 1.5, spanGaps: false }))],
        hooks: {
          draw: [
            ({ ctx, bbox, valToPos }: uPlot) => {
              ctx.save()
              ctx.strokeStyle = ink('--bad')
              ctx.setLineDash([4, 4])
              for (const at of acts.current) {
                const x = Math.round(valToPos(at, 'x', true))
                if (x < bbox.left || x > bbox.left + bbox.width) continue
                ctx.beginPath()
                ctx.moveTo(x, bbox.top)
                ctx.lineTo(x, bbox.top + bbox.height)
                ctx.stroke()
              }
              ctx.restore()
            },
          ],
        },
      },
      data,
      box,
    )
    chart.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: HEIGHT }))
    observer.observe(box)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [language])
  useEffect(() => chart.current?.setData(data), [data])
  const last = names.map((name, i) => {
    const value = data[i + 1]?.at(-1)
    return `${name} ${value == null ? '–' : Math.round(value * 10) / 10}`
  })
  const [from, to] = [data[0]?.[0] ?? 0, data[0]?.at(-1) ?? 0]
  const shown = marks.filter(at => at >= from && at <= to).length
  return (
    <figure data-marks={shown}>
      <figcaption>
        {unit === '' ? title : `${title}, ${unit}`}
        {names.map((name, i) => (
          <span key={name} class="key">
            <i style={{ background: `var(${colours[i]})` }} />
            {name}
          </span>
        ))}
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}${unit === '' ? '' : `, ${unit}`}: ${last.join(', ')}`} dir="ltr" />
    </figure>
  )
}

export function Charts({ view, say, language }: { view: NetworkView; say: Say; language: string }) {
  const times = view.samples.map(({ atMs }) => atMs / 1000)
  const marks = view.acts.map(({ atMs }) => atMs / 1000)
  const latency: uPlot.AlignedData = [times, view.samples.map(each => each.commitP50Ms), view.samples.map(each => each.commitP95Ms)]
  const throughput: uPlot.AlignedData = [times, view.samples.map(each => each.transactionsPerSecond)]
  return (
    <section aria-labelledby="charts">
      <h2 id="charts">{say('latency')}</h2>
      <p class="help">{say('chartHelp')}</p>
      <Chart
        title={say('latency')}
        unit="ms"
        names={[say('p50'), say('p95')]}
        colours={['--act', '--second']}
        data={latency}
        marks={marks}
        language={language}
      />
      <Chart
        title={say('throughput')}
        unit=""
        names={[say('transactions')]}
        colours={['--act']}
        data={throughput}
        marks={marks}
        language={language}
      />
    </section>
  )
}
