/** A chart that draws nothing, in place of uPlot where there is no canvas. */
export default class NoChart {
  setData(): void {}
  setSize(): void {}
  redraw(): void {}
  destroy(): void {}
}
