create table ts(i int primary key, v text); alter table ts alter v set storage plain;
--;
begin; insert into ts select g, repeat('x',5000) from generate_series(1,30) g; prepare transaction 'streamed';
--;
commit prepared 'streamed';
--;
begin; insert into ts select g, repeat('y',5000) from generate_series(101,130) g; prepare transaction E'it''s back\\slash';
--;
rollback prepared E'it''s back\\slash';
