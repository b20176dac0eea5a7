/** Does something for each item, at most `atOnce` at a time; ends with the first failure. */
export async function inTurns<T>(items: readonly T[], atOnce: number, work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) await work(items[i] as T, i)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
}
