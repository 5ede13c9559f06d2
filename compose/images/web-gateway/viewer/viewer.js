// The page -> a list of studies and series, and dwv showing the images of the one that is chosen.

import {App, Index, WindowLevel} from './lib/dwv.min.js';
import {findSeries, findStudies, retrieveSeries} from './dicomweb.js';

const byId = (id) => document.getElementById(id);

// A view of our own choosing beside what the images say themselves: window centre and width.
const PRESETS = {
  CT: {'Lung': [-600, 1500], 'Mediastinum': [40, 400], 'Bone': [480, 2500]},
};

let app;
let modality = '';
let tool = 'Scroll';
let chosen = 0; // counts choices, so that a slow answer cannot replace a later one

byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  list(Object.fromEntries(new FormData(event.target)));
});

async function list(keys) {
  const rows = byId('studies');
  rows.replaceChildren();
  byId('found').textContent = 'Searching ...';
  try {
    const studies = await findStudies(keys);
    studies.sort((a, b) => b.StudyDate.localeCompare(a.StudyDate));
    byId('found').textContent = studies.length === 1 ? '1 study' : `${studies.length} studies`;
    rows.append(...studies.map(studyRow));
  } catch (error) {
    byId('found').textContent = `No list: ${error.message}`;
  }
}

function studyRow(study) {
  const series = element('ul');
  const button = element('button', {type: 'button'}, [
    element('b', {}, [study.AccessionNumber || '(no accession number)']),
    element('span', {}, [`${study.PatientName.replaceAll('^', ' ')} · ${study.PatientID}`]),
    element('span', {}, [`${date(study.StudyDate)} · ${study.StudyDescription}`]),
  ]);
  button.addEventListener('click', async () => {
    try {
      const found = await findSeries(study.StudyInstanceUID);
      series.replaceChildren(...found.map((one) => seriesRow(study, one)));
    } catch (error) {
      series.replaceChildren(element('li', {}, [`No series: ${error.message}`]));
    }
  });
  return element('li', {}, [button, series]);
}

function seriesRow(study, series) {
  const count = series.NumberOfSeriesRelatedInstances;
  const name = `${series.Modality} ${series.SeriesDescription || `series ${series.SeriesNumber}`} · ${count}`;
  const button = element('button', {type: 'button'}, [name]);
  button.addEventListener('click', () => {
    document.querySelector('nav .chosen')?.classList.remove('chosen');
    button.classList.add('chosen');
    show(study, series);
  });
  return element('li', {}, [button]);
}

async function show(study, series) {
  chosen += 1;
  const mine = chosen;
  modality = series.Modality;
  tell('Loading ...');
  byId('what').textContent = '';
  byId('window').textContent = '';
  try {
    const files = await retrieveSeries(study.StudyInstanceUID, series.SeriesInstanceUID, (done, all) => {
      if (mine === chosen) {
        tell(`Loading ${done} of ${all} ...`);
      }
    });
    if (mine === chosen) {
      byId('what').textContent =
        `${study.PatientName.replaceAll('^', ' ')}\n${study.PatientID}\n${study.AccessionNumber}\n${series.SeriesDescription}`;
      open(files);
    }
  } catch (error) {
    if (mine === chosen) {
      tell(`Not shown: ${error.message}`);
    }
  }
}

function open(files) {
  app?.reset();
  byId('view').replaceChildren();
  app = new App();
  app.init({
    dataViewConfigs: {'*': [{divId: 'view'}]},
    tools: {Scroll: {}, WindowLevel: {}, ZoomAndPan: {}},
  });
  app.addEventListener('error', (event) => tell(`Not shown: ${event.error?.message ?? event.error}`));
  app.addEventListener('load', ready);
  app.addEventListener('positionchange', place);
  app.addEventListener('wlchange', place);
  app.loadImageObject(files.map((data, index) => ({name: `${index}.dcm`, filename: `${index}.dcm`, data})));
}

function ready() {
  tell('');
  byId('tools').hidden = false;
  app.fitToContainer();
  pick('Scroll');
  const names = app.canWindowLevel() ? Object.keys(PRESETS[modality] ?? {}) : [];
  byId('preset').replaceChildren(...['Window of the images', ...names].map((name) => element('option', {}, [name])));
  const [, , slices] = size();
  byId('slice').max = slices - 1;
  byId('slice').disabled = slices < 2;
  place();
}

/** Columns, rows, and how many images there are to scroll through: slices, or frames of one instance. */
function size() {
  const image = app.getImage(app.getDataIds()[0]);
  const values = image.getGeometry().getSize().getValues();
  return [values[0], values[1], Math.max(...values.slice(2))];
}

function controller() {
  return app.getActiveLayerGroup().getActiveViewLayer().getViewController();
}

/** The dimension that scrolls: the third, or the fourth where all images lie in one place (frames in time). */
function scrolling() {
  const values = app.getImage(app.getDataIds()[0]).getGeometry().getSize().getValues();
  return values.length > 3 && values[2] === 1 ? 3 : 2;
}

function place() {
  const view = controller();
  const [columns, rows, slices] = size();
  const at = view.getCurrentIndex().get(scrolling());
  byId('slice').value = at;
  byId('place').textContent = `${at + 1} / ${slices}`;
  const shown = app.canWindowLevel() ? view.getWindowLevel() : undefined;
  const level = shown ? `window ${Math.round(shown.width)}  level ${Math.round(shown.center)}\n` : '';
  byId('window').textContent = `${level}${columns} x ${rows}`;
  document.body.dataset.slice = at; // for who looks with a program
}

function go(slice) {
  const view = controller();
  const values = [...view.getCurrentIndex().getValues()];
  values[scrolling()] = Math.min(Math.max(slice, 0), size()[2] - 1);
  view.setCurrentIndex(new Index(values));
}

byId('slice').addEventListener('input', () => go(Number(byId('slice').value)));

// A wheel that turns down goes on to the next image, as in any list; dwv's own goes back.
byId('stage').addEventListener('wheel', (event) => {
  if (app !== undefined && tool === 'Scroll') {
    event.preventDefault();
    event.stopPropagation();
    go(Number(byId('slice').value) + Math.sign(event.deltaY));
  }
}, {capture: true, passive: false});

byId('preset').addEventListener('change', (event) => {
  const values = PRESETS[modality]?.[event.target.value];
  if (values === undefined) {
    controller().resetWindowLevel();
  } else {
    controller().setWindowLevel(new WindowLevel(...values));
  }
});

byId('reset').addEventListener('click', () => {
  app.resetZoomPan();
  controller().resetWindowLevel();
  byId('preset').selectedIndex = 0;
});

for (const button of document.querySelectorAll('[data-tool]')) {
  button.addEventListener('click', () => pick(button.dataset.tool));
}

function pick(name) {
  tool = name;
  app.setTool(tool);
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.setAttribute('aria-pressed', String(button.dataset.tool === tool));
  }
}

function tell(text) {
  byId('hint').textContent = text;
  byId('hint').hidden = text === '';
}

function date(text) {
  return text.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3');
}

function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children); // text stays text
  return made;
}

window.addEventListener('resize', () => app?.fitToContainer());
list({});
