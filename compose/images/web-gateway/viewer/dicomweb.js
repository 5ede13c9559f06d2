// DICOMweb (PS3.18) of this very front -> studies, series and instances as plain objects, and instances as bytes.

import {parts} from './multipart.js';

const ROOT = '/dicom-web';
const AT_ONCE = 6; // requests; browsers queue more themselves

// Attribute -> its tag in the DICOM JSON model.
const TAGS = {
  AccessionNumber: '00080050', StudyDate: '00080020', StudyDescription: '00081030', PatientName: '00100010',
  PatientID: '00100020', StudyInstanceUID: '0020000D', NumberOfStudyRelatedInstances: '00201208',
  Modality: '00080060', SeriesDescription: '0008103E', SeriesInstanceUID: '0020000E', SeriesNumber: '00200011',
  NumberOfSeriesRelatedInstances: '00201209', SOPInstanceUID: '00080018', InstanceNumber: '00200013',
  NumberOfFrames: '00280008', Rows: '00280010',
};

/** Studies that fit the given keys; empty keys fit all. */
export async function findStudies(keys) {
  const given = Object.entries(keys).filter(([, value]) => value !== '');
  const query = new URLSearchParams(given);
  for (const name of ['StudyDescription', 'NumberOfStudyRelatedInstances']) {
    query.append('includefield', name);
  }
  return search(`/studies?${query}`);
}

/** The series of a study, in the order of their numbers. */
export async function findSeries(study) {
  const found = await search(`/studies/${study}/series?includefield=SeriesDescription`);
  return found.sort((a, b) => Number(a.SeriesNumber) - Number(b.SeriesNumber));
}

/** Every instance of a series, as the bytes of its file. */
export async function retrieveSeries(study, series, told) {
  const list = await search(`/studies/${study}/series/${series}/instances`);
  list.sort((a, b) => Number(a.InstanceNumber) - Number(b.InstanceNumber));
  const files = new Array(list.length);
  let next = 0;
  let done = 0;
  async function work() {
    while (next < list.length) {
      const mine = next;
      next += 1;
      files[mine] = await retrieve(`/studies/${study}/series/${series}/instances/${list[mine].SOPInstanceUID}`);
      done += 1;
      told(done, list.length);
    }
  }
  await Promise.all(Array.from({length: AT_ONCE}, work));
  return files;
}

async function search(path) {
  const answer = await ask(path, 'application/dicom+json');
  return (await answer.json()).map(plain);
}

async function retrieve(path) {
  const answer = await ask(path, 'multipart/related; type="application/dicom"; transfer-syntax=*');
  const found = parts(await answer.arrayBuffer(), answer.headers.get('Content-Type'));
  if (found.length !== 1) {
    throw new Error(`${found.length} instances came, not one`);
  }
  return found[0];
}

async function ask(path, accept) {
  const answer = await fetch(ROOT + path, {headers: {Accept: accept}});
  if (!answer.ok) {
    throw new Error(`the archive's front answers ${answer.status} ${answer.statusText}`);
  }
  return answer;
}

function plain(item) {
  return Object.fromEntries(Object.entries(TAGS).map(([name, tag]) => {
    const value = item[tag]?.Value?.[0] ?? '';
    return [name, String(value?.Alphabetic ?? value)];
  }));
}
