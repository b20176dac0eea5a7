/** Instants that people's transactions name: on a coarse grid, so that they tell no clock and are what many others name as well. */

/** Distance of the grid's points, in ms. */
export const INSTANT_GRID_MS = 60_000

/** The grid's first point that is not before `timeMs`. */
export function onGrid(timeMs: number): number {
  return Math.ceil(timeMs / INSTANT_GRID_MS) * INSTANT_GRID_MS
}
