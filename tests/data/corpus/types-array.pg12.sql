create table ar(id int primary key, i integer[], t text[], ii int[][], b bool[], n numeric[], by bytea[], ts timestamptz[], vc varchar(10)[], c char(3)[], bi bit(3)[], j jsonb[], iv interval[], r int4range[], u uuid[], p point[], bx box[], nm name[], f8 float8[]);
insert into ar values (1,'{1,2,NULL}','{a,"b c","d,e","f\"g","h\\i",NULL,"NULL","",it''s}','{{1,2},{3,4}}','{t,f,NULL}','{1.50,NaN}','{"\\xdead",NULL}','{"2024-01-01 00:00:00+00",infinity}','{ab,"c''d"}','{a,bc}','{101,000}','{"{\"a\": \"b]:c\"}"}','{"1 day"}','{"[1,3)",empty}','{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}','{"(1,2)"}','{(3,4),(1,2);(5,6),(7,8)}','{x}','{1e300,-0,NaN}');
insert into ar(id,i,t,ii) values (2,'{}','{}','{}');
insert into ar(id,i,t,ii) values (3,'[0:2]={7,8,9}','[-1:0]={x,y}','[1:1][-2:-1]={{1,2}}');
insert into ar(id,t) values (4,array[E'line\nbreak',E'tab\t',E'back\\slash','{nested}','''']);
insert into ar(id) values (5);
