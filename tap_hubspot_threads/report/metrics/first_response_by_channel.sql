-- First response by channel
-- As first_response_by_inbox.sql, by the channel in which the thread began: minutes from the
-- contact's first message to the first outgoing MESSAGE of an agent (A-) after it. Bots, AI
-- agents, applications, welcome messages, comments, and INCOMING mail of a colleague do not
-- count. Threads that are archived, spam or not in `threads` are left out.
WITH questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."originalChannelId" AS channel_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."originalChannelId"
),
responses AS (
    -- The first answer of a person after that, or null.
    SELECT
        questions.thread,
        questions.channel_id,
        questions.asked,
        MIN(answers."createdAt") AS answered
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdBy" LIKE 'A-%'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.channel_id, questions.asked
),
waits AS (
    -- The epoch is the same with and without a time zone, and in every session.
    SELECT
        channel_id,
        (EXTRACT(EPOCH FROM answered) - EXTRACT(EPOCH FROM asked)) / 60 AS minutes
    FROM responses
)
SELECT
    COALESCE(channels.name, waits.channel_id, 'unknown') AS channel,
    COUNT(*) AS threads,
    COUNT(*) - COUNT(waits.minutes) AS unanswered,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY waits.minutes) AS median_minutes,
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY waits.minutes) AS p90_minutes
FROM waits
LEFT JOIN channels ON channels.id = waits.channel_id
GROUP BY waits.channel_id, channels.name
ORDER BY channel, waits.channel_id;
