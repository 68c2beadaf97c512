-- Medications. A GenericNum of 0 means that it is its own generic, an RxCui of 0 that there is none.
select
    "MedicationNum" as medication_id,
    "MedName" as medication_name,
    nullif("GenericNum", 0) as generic_id,
    nullif("Notes", '') as notes,
    "DateTStamp" as date_updated,
    nullif("RxCui", 0) as rxcui,
    _loaded_at
from {{ source('opendental', 'medication') }}
