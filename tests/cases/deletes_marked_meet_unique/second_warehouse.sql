CREATE UNIQUE INDEX code ON raw.t (code);
