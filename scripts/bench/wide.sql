-- The wide table of the benchmark: 44 columns, shaped like the busiest table of a dental practice program.
-- Deterministic: every value is computed from the row's number, so two servers hold the same bytes.
-- :rows and :database are filled in by bench.sh; the sequence engine wants its length as part of a table name.
CREATE DATABASE :database CHARACTER SET utf8mb4;
USE :database;
CREATE TABLE procedure_log (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  patient_id bigint NOT NULL,
  appointment_id bigint NOT NULL,
  legacy_code varchar(15) NOT NULL DEFAULT '',
  performed_on date NOT NULL,
  fee double NOT NULL,
  surface varchar(10) NOT NULL DEFAULT '',
  tooth varchar(2) NOT NULL DEFAULT '',
  tooth_range varchar(100) NOT NULL DEFAULT '',
  priority bigint NOT NULL,
  status tinyint unsigned NOT NULL,
  provider_id bigint NOT NULL,
  diagnosis_id bigint NOT NULL,
  planned_appointment_id bigint NOT NULL,
  place_of_service tinyint unsigned NOT NULL,
  prosthesis char(1) NOT NULL DEFAULT '',
  first_prosthesis_on date NULL,
  claim_note varchar(80) NOT NULL DEFAULT '',
  entered_on date NOT NULL,
  clinic_id bigint NOT NULL,
  medical_code varchar(15) NOT NULL DEFAULT '',
  diagnostic_code varchar(255) NOT NULL DEFAULT '',
  is_principal tinyint unsigned NOT NULL,
  lab_id bigint NOT NULL,
  billing_type bigint NOT NULL,
  code_id bigint NOT NULL,
  modifier char(2) NULL,
  revenue_code varchar(45) NULL,
  units int NOT NULL,
  base_units int NOT NULL,
  started_minute int NOT NULL,
  stopped_minute int NOT NULL,
  planned_on date NOT NULL,
  site_id bigint NOT NULL,
  hide_graphics tinyint NOT NULL,
  started_at time NOT NULL,
  ended_at time NOT NULL,
  discount double NOT NULL,
  changed_at timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  recorded_on date NOT NULL,
  completed_on date NULL,
  tax double NOT NULL,
  dose float NOT NULL,
  note text NULL,
  KEY changed (changed_at),
  KEY patient (patient_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

SET time_zone = '+00:00';
INSERT INTO procedure_log
SELECT
  seq, 1 + seq MOD 31337, seq MOD 700001, '', '2009-01-01' + INTERVAL seq MOD 5500 DAY,
  -- Cents, so that the shortest text of the double is the one people expect.
  ROUND((seq * 37 MOD 250000) / 100, 2),
  ELT(1 + seq MOD 5, '', 'MO', 'DO', 'MOD', 'B'), seq MOD 32, '', seq MOD 300, 1 + seq MOD 6,
  1 + seq MOD 17, seq MOD 50, 0, 0, '', IF(seq MOD 11 = 0, '2011-02-03', NULL),
  IF(seq MOD 9 = 0, CONCAT('note for claim ', seq), ''), '2009-01-02' + INTERVAL seq MOD 5500 DAY,
  seq MOD 4, '', IF(seq MOD 13 = 0, 'K02.9', ''), 0, 0, 0, 1 + seq MOD 900, NULL, NULL, 1, 0, 0, 0,
  '2009-01-01' + INTERVAL seq MOD 5500 DAY, 0, 0, SEC_TO_TIME(seq MOD 86400), '00:00:00', (seq MOD 100) / 8,
  FROM_UNIXTIME(1230768000 + seq * 97 MOD 500000000), '2009-01-01' + INTERVAL seq MOD 5500 DAY,
  IF(seq MOD 3 = 0, '2012-05-06', NULL), 0, 0.5 * (seq MOD 7),
  -- Tabs, quotes and line breaks, because every text format has to escape one of them.
  IF(seq MOD 4 = 0, CONCAT('Patient presented with discomfort on chewing; ', 'advised to return in two weeks, visit ', seq,
    ' tab\there and "quotes", line\nbreak'), NULL)
FROM seq_1_to_:rows;
ANALYZE TABLE procedure_log;
