"""What runs inside node containers: scanners, workstation, RIS, EHR, and Orthanc's own REST client."""
