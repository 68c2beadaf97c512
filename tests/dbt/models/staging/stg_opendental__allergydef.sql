-- Allergies that can be recorded. A MedicationNum of 0 means none.
select
    "AllergyDefNum" as allergydef_id,
    "Description" as allergydef_name,
    "IsHidden" <> 0 as is_hidden,
    "DateTStamp" as date_updated,
    "SnomedType" as snomed_type,
    nullif("MedicationNum", 0) as medication_id,
    nullif("UniiCode", '') as unii_code,
    _loaded_at
from {{ source('opendental', 'allergydef') }}
