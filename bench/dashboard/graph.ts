import { chromium as browsers } from 'playwright-core';
import { chromium } from '../../test/client/browser.ts';
import { loadGraph } from '../../test/support/guix-graph.ts';
import { generatedGraph } from '../life/graphs.ts';
import { type Row, Skipped } from '../row.ts';
import { type Farm, submitGraph } from './farm.ts';

const most = 5000;

/** How a submission's graph of five thousand builds moves in a real browser on this machine. */
export async function graphMoves(origin: string, farm: Farm, cookie: string, quick: boolean): Promise<Row[]> {
  if (chromium === undefined) throw new Skipped('what a browser shows needs Chromium: npm run setup -- --browser');
  const { of, nodes } = (await partOfGuix()) ?? madeUp();
  const submission = await submitGraph(farm.drover, nodes);
  await using browser = await browsers.launch({ executablePath: chromium, args: ['--no-sandbox'] });
  const [name = '', value = ''] = cookie.split('=');
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
  await context.addCookies([{ name, value, url: origin }]);
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  // From the answer to when it is drawn; and how long the page could not answer meanwhile.
  await page.addInitScript(`{
    window.graph = { longest: 0 };
    const fetched = window.fetch;
    window.fetch = async (...asked) => {
      const answer = await fetched(...asked);
      if (!/[/]graph/.test(String(asked[0]?.url ?? asked[0])) || window.graph.cameAt !== undefined) return answer;
      const text = await answer.text();
      window.graph.cameAt = performance.now();
      return new Response(text, answer);
    };
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries())
        if (startTime + duration > (window.graph.cameAt ?? Infinity) && window.graph.drawnAt === undefined)
          window.graph.longest = Math.max(window.graph.longest, duration);
    }).observe({ entryTypes: ['longtask'] });
    new MutationObserver(() => {
      if (window.graph.drawnAt === undefined && /shown[.]$/.test(document.querySelector('.marked')?.textContent ?? ''))
        window.graph.drawnAt = performance.now();
    }).observe(document, { subtree: true, childList: true, characterData: true });
  }`);
  await page.goto(`${origin}/submissions/${submission}`);
  await page.waitForFunction('window.graph.drawnAt !== undefined');
  const { cameAt, drawnAt, longest } = (await page.evaluate('window.graph')) as Record<string, number>;
  const canvas = page.locator('.canvas canvas');
  await canvas.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await canvas.boundingBox()) as {
    x: number;
    y: number;
    width: number;
    height: number;
  };
  const middle = { x: x + width / 2, y: y + height / 2 };

  /** Milliseconds of each frame while a hand moves the graph to and fro, as fast as frames come. */
  async function drag(): Promise<number[]> {
    await page.mouse.move(middle.x, middle.y);
    await page.mouse.down();
    const frames = (await page.evaluate(`new Promise((done) => {
      const canvas = document.querySelector('.canvas canvas');
      const frames = [];
      let last;
      let turn = 0;
      const frame = (now) => {
        if (last !== undefined) frames.push(now - last);
        last = now;
        if (++turn > ${quick ? 120 : 400}) return done(frames);
        const far = 500 * Math.sin(turn / 25);
        canvas.dispatchEvent(new PointerEvent('pointermove', {
          bubbles: true, pointerId: 1, buttons: 1, clientX: ${middle.x} + far, clientY: ${middle.y} + far / 3,
        }));
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    })`)) as number[];
    await page.mouse.up();
    return frames.sort((a, b) => a - b);
  }

  const rows: Row[] = [
    {
      key: 'dashboard-graph-layout',
      name: `graph of ${nodes.length} builds, answer → laid out`,
      value: (drawnAt as number) - (cameAt as number),
      unit: 'ms',
      note: `${of}; the page stands still for ${longest} ms at most`,
    },
  ];
  const ways: [key: string, what: string, press: string][] = [
    ['all', 'all of it seen', '0'],
    ['near', 'names legible', '+++++++++++++++++++'],
  ];
  for (const [key, what, press] of ways) {
    await page.locator('.canvas').focus();
    for (const one of press) await page.keyboard.press(one);
    await drag();
    const frames = await drag();
    for (const share of [0.5, 0.95])
      rows.push({
        key: `dashboard-graph-${key}-p${share * 100}`,
        name: `it is dragged, ${what}, p${share * 100}`,
        value: frames[Math.floor(frames.length * share)] as number,
        unit: 'ms a frame',
        note: 'Chromium without a graphics card',
      });
  }
  return rows;
}

/** Packages of Guix with all that they need, as many as go in. */
async function partOfGuix() {
  const graph = await loadGraph();
  if (graph === undefined) return undefined;
  let taken = new Set<number>();
  for (let root = graph.length - 1; root > 0 && taken.size < most - 20; root -= 97) {
    const more = new Set([...taken, root]);
    for (const node of more) for (const input of graph[node]?.inputs ?? []) more.add(input);
    if (more.size <= most) taken = more;
  }
  const nodes = [...taken].sort((a, b) => a - b);
  const places = new Map(nodes.map((node, place) => [node, place]));
  return {
    of: 'a part of Guix',
    nodes: nodes.map((node) => ({
      name: (graph[node]?.name ?? '').slice(33, -4),
      inputs: (graph[node]?.inputs ?? []).map((input) => places.get(input) as number),
    })),
  };
}

function madeUp() {
  const graph = generatedGraph(most);
  const facts = Array.from({ length: most }, (_, n) => graph.facts(n));
  const places = new Map(facts.map(({ path }, place) => [path.slice(0, 32), place]));
  return {
    of: 'a made-up graph',
    nodes: facts.map(({ inputs }, n) => ({
      name: `made-${n}`,
      inputs: inputs.map((input) => places.get(input.slice(0, 32)) as number),
    })),
  };
}
