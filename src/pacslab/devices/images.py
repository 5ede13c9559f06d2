"""Recipe -> the DICOM instances of a synthetic study (PS3.3 A.3 CT, A.4 MR, A.6 and A.7 US)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacslab import __version__
from pacslab.devices import phantom
from pacslab.devices.protocol import BODY_PART, DESCRIPTION, EXAMINATION, MULTIFRAME, Form, pictures
from pacslab.devices.recipe import Recipe
from pacslab.devices.scheduled import Scheduled

CT_IMAGE = UID("1.2.840.10008.5.1.4.1.1.2")
MR_IMAGE = UID("1.2.840.10008.5.1.4.1.1.4")
US_IMAGE = UID("1.2.840.10008.5.1.4.1.1.6.1")
US_MULTIFRAME = UID("1.2.840.10008.5.1.4.1.1.3.1")
PERFORMED_STEP = UID("1.2.840.10008.3.1.2.3.3")
IMPLEMENTATION = UID("2.25.148264305916307452861739205014372980417")

NOTICE = "SYNTHETIC IMAGE made by pacslab from random numbers; no patient; not for diagnosis"
HU_OFFSET = 1024  # CT: stored value = Hounsfield units + 1024, so twelve unsigned bits hold -1024 to 3071
FIELD_OF_VIEW_MM = {"CT": 380.0, "MR": 240.0}  # divided by the columns: the size of a pixel
THICKNESS_MM = {Form.THIN: 1.25}
USUAL_THICKNESS_MM = 2.5
FRAME_TIME_MS = "40"


def instances(recipe: Recipe, form: Form, now: dt.datetime) -> Iterator[Dataset]:
    """Make the instances of one series, in the order of their numbers."""
    count = pictures(form, recipe.slices)
    drawn = phantom.slices(form, recipe.rows, recipe.columns, count, recipe.seed)
    if form in MULTIFRAME:
        frames = [
            phantom.coloured(image, recipe.seed, beat) if form is Form.COLOUR else image.astype(np.uint8)
            for beat, image in enumerate(drawn)
        ]
        yield _instance(recipe, form, now, 0, _even(np.stack(frames).tobytes()))
        return
    for index, image in enumerate(drawn):
        yield _instance(recipe, form, now, index, _even(_stored(recipe.modality, image).tobytes()))


def _stored(modality: str, image: phantom.Image) -> phantom.Stored:
    if modality == "US":
        return image.astype(np.uint8)
    return (image + HU_OFFSET if modality == "CT" else image).astype("<u2")


def _even(value: bytes) -> bytes:
    # PS3.5 7.1.1: values have an even length; padded here so that the hash is over what the file holds.
    return value + b"\0" if len(value) % 2 else value


def _instance(recipe: Recipe, form: Form, now: dt.datetime, index: int, pixels: bytes) -> Dataset:
    dataset = Dataset()
    _patient_and_study(dataset, recipe, now)
    _requested(dataset, recipe.order)
    _performed(dataset, recipe, now)
    _series_and_equipment(dataset, recipe, form, now)
    _image(dataset, recipe, form, now, index)
    {"CT": _ct, "MR": _mr, "US": _us}[recipe.modality](dataset, recipe, form, index)
    _pixels(dataset, recipe, form, pixels)
    dataset.file_meta = _meta(dataset)
    return dataset


def _meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = f"PACSLAB_{__version__}"[:16]
    return meta


def _patient_and_study(dataset: Dataset, recipe: Recipe, now: dt.datetime) -> None:
    order = recipe.order
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = order.patient_name
    dataset.PatientID = order.patient_id
    dataset.PatientBirthDate = order.birth_date
    dataset.PatientSex = order.sex if order.sex in {"F", "M", "O"} else ""
    dataset.PatientComments = NOTICE
    dataset.StudyInstanceUID = recipe.study
    dataset.StudyDate = now.strftime("%Y%m%d")
    dataset.StudyTime = now.strftime("%H%M%S")
    dataset.ReferringPhysicianName = order.referring_physician
    # IHE RAD TF-2 4.8: the Study ID is the Requested Procedure ID where there is one.
    dataset.StudyID = (order.procedure_id or str(recipe.seed))[:16]
    dataset.AccessionNumber = order.accession
    dataset.StudyDescription = f"SYNTHETIC {order.procedure or EXAMINATION[recipe.modality]}"[:64]


def _requested(dataset: Dataset, order: Scheduled) -> None:
    """Request Attributes (PS3.3 10.6) as the worklist gave them; none where nothing was scheduled."""
    if not order.procedure_id:
        return
    item = Dataset()
    item.AccessionNumber = order.accession
    item.RequestedProcedureID = order.procedure_id
    item.RequestedProcedureDescription = order.procedure
    item.ScheduledProcedureStepID = order.step_id or order.procedure_id
    item.ScheduledProcedureStepDescription = order.step
    dataset.RequestAttributesSequence = [item]


def _performed(dataset: Dataset, recipe: Recipe, now: dt.datetime) -> None:
    """Point to the performed procedure step (PS3.3 C.7.3.1, 10.13)."""
    if not recipe.performed_uid:
        return
    item = Dataset()
    item.ReferencedSOPClassUID = PERFORMED_STEP
    item.ReferencedSOPInstanceUID = recipe.performed_uid
    dataset.ReferencedPerformedProcedureStepSequence = [item]
    dataset.PerformedProcedureStepID = recipe.performed_id
    dataset.PerformedProcedureStepStartDate = now.strftime("%Y%m%d")
    dataset.PerformedProcedureStepStartTime = now.strftime("%H%M%S")
    dataset.PerformedProcedureStepDescription = f"SYNTHETIC {EXAMINATION[recipe.modality]}"


def _series_and_equipment(dataset: Dataset, recipe: Recipe, form: Form, now: dt.datetime) -> None:
    dataset.Modality = recipe.modality
    dataset.SeriesInstanceUID = recipe.uid("series", form.value)
    dataset.SeriesNumber = recipe.forms.index(form) + 1
    dataset.SeriesDate = now.strftime("%Y%m%d")
    dataset.SeriesTime = now.strftime("%H%M%S")
    dataset.SeriesDescription = f"SYNTHETIC {EXAMINATION[recipe.modality]} {DESCRIPTION[form]}"
    dataset.ProtocolName = f"SYNTHETIC {DESCRIPTION[form]}"
    dataset.BodyPartExamined = BODY_PART[recipe.modality]
    dataset.PatientPosition = "HFS"
    dataset.Manufacturer = recipe.manufacturer
    dataset.ManufacturerModelName = recipe.model
    dataset.StationName = recipe.node[:16]
    dataset.DeviceSerialNumber = recipe.node
    dataset.SoftwareVersions = f"pacslab {__version__}"


def _image(dataset: Dataset, recipe: Recipe, form: Form, now: dt.datetime, index: int) -> None:
    dataset.SOPInstanceUID = recipe.uid("image", form.value, index)
    dataset.InstanceNumber = index + 1
    dataset.AcquisitionNumber = recipe.forms.index(form) + 1
    for moment in ("Acquisition", "Content"):
        setattr(dataset, f"{moment}Date", now.strftime("%Y%m%d"))
        setattr(dataset, f"{moment}Time", now.strftime("%H%M%S"))
    dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.PatientOrientation = ""
    dataset.ImageComments = NOTICE
    dataset.BurnedInAnnotation = "YES"  # the word SYNTHETIC and the slice number
    dataset.RecognizableVisualFeatures = "NO"
    dataset.QualityControlImage = "YES"  # PS3.3 C.7.6.1: of a phantom
    dataset.LossyImageCompression = "00"


def _plane(dataset: Dataset, recipe: Recipe, form: Form, index: int) -> None:
    spacing = FIELD_OF_VIEW_MM[recipe.modality] / recipe.columns
    thickness = THICKNESS_MM.get(form, USUAL_THICKNESS_MM)
    location = index * thickness
    left, top = -spacing * (recipe.columns - 1) / 2, -spacing * (recipe.rows - 1) / 2
    frontal = form is Form.SCOUT  # lines go from head to feet: -z
    dataset.FrameOfReferenceUID = recipe.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PixelSpacing = [f"{spacing:.6f}", f"{spacing:.6f}"]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if frontal else [1, 0, 0, 0, 1, 0]
    corner = (left, 0.0, -top) if frontal else (left, top, location)
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in corner]
    dataset.SliceThickness = f"{thickness}"
    dataset.SliceLocation = f"{location:.2f}"
    del dataset.PatientOrientation  # PS3.3 C.7.6.1: only where the plane is not given


def _ct(dataset: Dataset, recipe: Recipe, form: Form, index: int) -> None:
    """CT Image Module (PS3.3 C.8.2.1): stored values are Hounsfield units plus 1024."""
    dataset.SOPClassUID = CT_IMAGE
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER" if form is Form.SCOUT else "AXIAL"]
    _plane(dataset, recipe, form, index)
    dataset.RescaleIntercept = f"{-HU_OFFSET}"
    dataset.RescaleSlope = "1"
    # PS3.3 C.8.2.1: what is summed up along rays is not in Hounsfield units, but in unspecified ones.
    dataset.RescaleType = "US" if form is Form.SCOUT else "HU"
    dataset.KVP = "120"
    dataset.GantryDetectorTilt = "0"
    dataset.ScanOptions = "SYNTHETIC"
    dataset.ConvolutionKernel = "SYNTHETIC LUNG" if form is Form.THIN else "SYNTHETIC"
    dataset.WindowCenter, dataset.WindowWidth = ("-500", "1500") if form is Form.THIN else ("40", "400")


def _mr(dataset: Dataset, recipe: Recipe, form: Form, index: int) -> None:
    """MR Image Module (PS3.3 C.8.3.1)."""
    dataset.SOPClassUID = MR_IMAGE
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    _plane(dataset, recipe, form, index)
    repetition_ms, echo_ms = {Form.T1: ("500", "15"), Form.T2: ("4000", "95")}.get(form, ("9000", "120"))
    dataset.ScanningSequence = ["SE", "IR"] if form is Form.FLAIR else "SE"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.SequenceName = f"syn_{form.value}"
    dataset.RepetitionTime = repetition_ms
    dataset.EchoTime = echo_ms
    if form is Form.FLAIR:
        dataset.InversionTime = "2500"
    dataset.EchoTrainLength = "1"
    dataset.MagneticFieldStrength = "1.5"
    dataset.SpacingBetweenSlices = f"{USUAL_THICKNESS_MM}"
    dataset.WindowCenter = "600"
    dataset.WindowWidth = "1200"


def _us(dataset: Dataset, recipe: Recipe, form: Form, index: int) -> None:
    """US Image Module (PS3.3 C.8.5.6), with frames where the series is a clip (C.7.6.5, C.7.6.6)."""
    del index
    clip = form in MULTIFRAME
    dataset.SOPClassUID = US_MULTIFRAME if clip else US_IMAGE
    # PS3.3 C.8.5.6.1.1: value 4 is 0001 for two-dimensional, 0011 with colour flow added.
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0011" if form is Form.COLOUR else "0001"]
    if clip:
        dataset.NumberOfFrames = recipe.slices
        dataset.FrameTime = FRAME_TIME_MS
        dataset.FrameIncrementPointer = 0x00181063


def _pixels(dataset: Dataset, recipe: Recipe, form: Form, pixels: bytes) -> None:
    allocated, stored = (8, 8) if recipe.modality == "US" else (16, 12)
    if form is Form.COLOUR:
        dataset.SamplesPerPixel = 3
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
        dataset.UltrasoundColorDataPresent = 1
    else:
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = recipe.rows
    dataset.Columns = recipe.columns
    dataset.BitsAllocated = allocated
    dataset.BitsStored = stored
    dataset.HighBit = stored - 1
    dataset.PixelRepresentation = 0
    dataset.add_new(0x7FE00010, "OB" if allocated == 8 else "OW", pixels)
