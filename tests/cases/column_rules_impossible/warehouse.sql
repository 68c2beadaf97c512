-- Nothing may be touched.
CREATE SCHEMA raw;
