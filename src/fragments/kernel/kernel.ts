/** Products of a coefficient matrix with shards of bytes, computed by the WebAssembly kernel in one arena of fixed size. */
import { type Matrix, multiply } from '../field.ts'
import { PLAIN_KERNEL, RELAXED_KERNEL } from './bytes.ts'
import { KERNEL_STEP, MAX_KERNEL_ROWS } from './source.ts'

/** Longest shard that one call takes, in bytes. */
export const MAX_SHARD_BYTES = 65_536

/** Most shards, inputs and outputs together, of one call. */
export const MAX_SLOTS = 48

const PAGE = 65_536
/** Pointers and coefficient tables come first; the largest product, 24 outputs of 24 inputs, needs 18,624 bytes. */
const SLOTS_START = 32_768
/** A stride that is no power of two: shards at such a stride would fall into the same cache sets. */
const STRIDE = MAX_SHARD_BYTES + 5 * KERNEL_STEP
const PAGES = Math.ceil((SLOTS_START + MAX_SLOTS * STRIDE) / PAGE)
const OUTPUT_POINTERS = 4 * MAX_SLOTS
const TABLES_START = 8 * MAX_SLOTS

type KernelFunction = (inputs: number, count: number, outputs: number, tables: number, length: number) => void

interface Arena {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** Kernel functions by number of output rows, from 1. */
  readonly functions: readonly KernelFunction[]
}

/** Coefficients prepared for the kernel: nibble tables in the order in which it reads them. */
export interface Product {
  readonly rows: number
  readonly columns: number
  readonly tables: Uint8Array
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), character => character.charCodeAt(0))
}

/**
 * The kernel's module for this engine. Relaxed SIMD where the engine takes it, for it is faster; the results are the same.
 * Both are below 4 KiB, which every browser compiles synchronously on its main thread.
 */
function chooseModule(): WebAssembly.Module {
  const relaxed = fromBase64(RELAXED_KERNEL)
  return new WebAssembly.Module(WebAssembly.validate(relaxed) ? relaxed : fromBase64(PLAIN_KERNEL))
}

/** Makes a kernel with an arena of its own. @param module one of the two variants, for tests; chosen by default. */
export function createKernel(module: WebAssembly.Module = chooseModule()): Kernel {
  // Allocated once and never grown: growing would detach every view.
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const functions = Array.from({ length: MAX_KERNEL_ROWS }, (_, i) => exports[`multiply${i + 1}`] as KernelFunction)
  return new Kernel({ bytes: new Uint8Array(memory.buffer), words: new Uint32Array(memory.buffer), functions })
}

/** Prepares a matrix of coefficients, one row per output and one column per input. */
export function prepareProduct(matrix: Matrix): Product {
  const rows = matrix.length
  const columns = matrix[0]?.length ?? 0
  const tables = new Uint8Array(rows * columns * 32)
  let at = 0
  for (let first = 0; first < rows; first += MAX_KERNEL_ROWS) {
    const group = matrix.slice(first, first + MAX_KERNEL_ROWS)
    for (let column = 0; column < columns; column++) {
      for (const row of group) {
        const coefficient = row[column] as number
        for (let nibble = 0; nibble < 16; nibble++) {
          tables[at + nibble] = multiply(coefficient, nibble)
          tables[at + 16 + nibble] = multiply(coefficient, nibble << 4)
        }
        at += 32
      }
    }
  }
  return { rows, columns, tables }
}

export class Kernel {
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /**
   * The product's outputs for shards of equal length (1 to {@link MAX_SHARD_BYTES} bytes). Inputs are copied into the arena
   * and outputs out of it, so nothing that is returned shares memory with a later call.
   * @param outputs memory for the outputs, of the inputs' length each; made if not given, which takes longer than the product
   */
  run(product: Product, inputs: readonly Uint8Array[], outputs?: readonly Uint8Array[]): Uint8Array[] {
    const { bytes, words, functions } = this.#arena
    const { rows, columns, tables } = product
    const length = inputs[0]?.length ?? 0
    if (inputs.length !== columns || rows + columns > MAX_SLOTS || TABLES_START + tables.length > SLOTS_START) {
      throw new RangeError('product does not fit the arena')
    }
    if (length < 1 || length > MAX_SHARD_BYTES || inputs.some(input => input.length !== length)) {
      throw new RangeError(`shards must have one length from 1 to ${MAX_SHARD_BYTES} bytes`)
    }
    if (outputs !== undefined && (outputs.length !== rows || outputs.some(output => output.length !== length))) {
      throw new RangeError(`a product needs ${rows} outputs of ${length} bytes`)
    }
    bytes.set(tables, TABLES_START)
    for (let slot = 0; slot < rows + columns; slot++) {
      words[slot < columns ? slot : OUTPUT_POINTERS / 4 + slot - columns] = SLOTS_START + slot * STRIDE
    }
    inputs.forEach((input, slot) => {
      bytes.set(input, SLOTS_START + slot * STRIDE)
    })
    let table = TABLES_START
    for (let first = 0; first < rows; first += MAX_KERNEL_ROWS) {
      const group = Math.min(MAX_KERNEL_ROWS, rows - first)
      // The last step may run past the shard's end into the slot's slack, whose content does not matter.
      functions[group - 1]?.(0, columns, OUTPUT_POINTERS + 4 * first, table, length)
      table += 32 * group * columns
    }
    return Array.from({ length: rows }, (_, row) => {
      const start = SLOTS_START + (columns + row) * STRIDE
      const output = outputs?.[row]
      if (output === undefined) return bytes.slice(start, start + length)
      output.set(bytes.subarray(start, start + length))
      return output
    })
  }
}
